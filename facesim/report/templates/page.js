// Draws every plot of the page in the colours of the reader's mode, and again when that changes.
(() => {
  "use strict";

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");

  // "var(--name)" anywhere in a plot -> the style sheet's value of --name.
  const coloured = (value, styles) => {
    if (typeof value === "string") {
      const variable = /^var\((--[\w-]+)\)$/.exec(value);
      return variable ? styles.getPropertyValue(variable[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((each) => coloured(each, styles));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [key, coloured(each, styles)]),
      );
    }
    return value;
  };

  const draw = (element) => {
    const source = element.parentElement.querySelector("script").textContent;
    const { data, layout } = coloured(JSON.parse(source), getComputedStyle(document.documentElement));
    // A finger that scrolls the page must not zoom the plot; the buttons still do.
    if (touch.matches) layout.dragmode = false;
    return Plotly.react(element, data, layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
      toImageButtonOptions: { filename: element.parentElement.id, scale: 2 },
    });
  };

  const drawAll = () => document.querySelectorAll("figure > .plot").forEach(draw);

  for (const element of document.querySelectorAll("figure > .plot")) {
    element.style.minHeight = `${element.dataset.height}px`;
  }
  dark.addEventListener("change", drawAll);
  drawAll();
})();
