"""Filling the grid: the plan, the pure function that fills a group of cells, the runner and its workers."""
