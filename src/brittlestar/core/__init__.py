"""The ground that everything stands on: errors, definitions, keys, rows, files. Imports no sibling."""
