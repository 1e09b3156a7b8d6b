{ const main = document.currentScript.parentElement, own = getComputedStyle(main);
  document.body.dataset.room = main.clientWidth - parseFloat(own.paddingLeft) - parseFloat(own.paddingRight); }
