try { const t = localStorage.getItem("brittlestar-theme"); if (t) document.documentElement.dataset.theme = t } catch {}
