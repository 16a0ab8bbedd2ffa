// Plots are drawn without this. It shows the values at the pointer, the finger or the focused
// point, and lets the legend hide series.
(() => {
  "use strict";

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  document.querySelector("main").append(tip);

  const here = document.createElement("div");
  here.className = "here";
  here.hidden = true;

  let shown = null;

  const hide = () => {
    shown = null;
    tip.textContent = "";
    here.hidden = true;
  };

  const share = (element, name) => parseFloat(element.getAttribute(name)) / 100;

  // Where a series' points lie, 0 to 1 from the upper left corner of the axes.
  const places = (group) => {
    const marks = [...group.querySelectorAll("use:not([href*=cap])")];
    if (marks.length) return marks.map((mark) => [share(mark, "x"), share(mark, "y")]);
    const bars = [...group.querySelectorAll(".bar")];
    if (bars.length) {
      return bars.map((bar) => [
        share(bar, "x") + share(bar, "width"),
        share(bar, "y") + share(bar, "height") / 2,
      ]);
    }
    const numbers = group.querySelector(".curve").getAttribute("d").match(/-?\d+/g).map(Number);
    const size = group.querySelector("svg").viewBox.baseVal.width;
    return Array.from({ length: numbers.length / 2 }, (_, index) => [
      numbers[2 * index] / size,
      numbers[2 * index + 1] / size,
    ]);
  };

  const pointsOf = (group) => {
    const svg = group.closest(".panel > svg");
    const lines = group.dataset.tips.split("\n");
    return places(group).map(([x, y], index) => ({ svg, x, y, group, index, told: lines[index] }));
  };

  const seriesOf = (plot) =>
    [...plot.querySelectorAll("[data-tips]")]
      .filter((group) => !group.classList.contains("off"))
      .map((group) => (group.points ??= pointsOf(group)))
      .filter((points) => points.length);

  // Only what changes is written again, and so read out again.
  const show = (point) => {
    if (shown && shown.group === point.group && shown.index === point.index) return;
    shown = point;
    const area = point.svg.getBoundingClientRect();
    const panel = point.svg.parentElement;
    const outer = panel.getBoundingClientRect();
    panel.append(here);
    here.hidden = false;
    here.style.left = `${area.left - outer.left + point.x * area.width}px`;
    here.style.top = `${area.top - outer.top + point.y * area.height}px`;
    const name = document.createElement("strong");
    name.textContent = point.group.dataset.name;
    const lines = point.told.split(" · ").map((line) => {
      const element = document.createElement("span");
      element.textContent = line;
      return element;
    });
    tip.replaceChildren(...(name.textContent ? [name] : []), ...lines);
    const left = area.left + scrollX + point.x * area.width + 14;
    const top = area.top + scrollY + point.y * area.height + 14;
    const widest = scrollX + document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(left, widest))}px`;
    tip.style.top = `${top}px`;
  };

  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".plot")) hide();
  });

  for (const plot of document.querySelectorAll(".plot")) {
    let at = [0, 0];

    const nearest = (event) => {
      let best = null;
      let least = Infinity;
      seriesOf(plot).forEach((points, series) => {
        const area = points[0].svg.getBoundingClientRect();
        points.forEach((point, index) => {
          const across = area.left + point.x * area.width - event.clientX;
          const down = area.top + point.y * area.height - event.clientY;
          const distance = across * across + down * down;
          if (distance < least) [least, best, at] = [distance, point, [series, index]];
        });
      });
      if (best) show(best);
      else hide();
    };

    const step = (series, index) => {
      const all = seriesOf(plot);
      if (!all.length) return;
      series = (series + all.length) % all.length;
      index = Math.max(0, Math.min(index, all[series].length - 1));
      at = [series, index];
      show(all[series][index]);
    };

    const keys = {
      ArrowLeft: () => step(at[0], at[1] - 1),
      ArrowRight: () => step(at[0], at[1] + 1),
      ArrowUp: () => step(at[0] - 1, at[1]),
      ArrowDown: () => step(at[0] + 1, at[1]),
      Escape: hide,
    };

    plot.tabIndex = 0;
    plot.setAttribute("aria-keyshortcuts", Object.keys(keys).join(" "));
    plot.addEventListener("pointermove", nearest);
    plot.addEventListener("pointerdown", nearest);
    plot.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") hide();
    });
    plot.addEventListener("focus", () => {
      if (plot.matches(":focus-visible")) step(...at);
    });
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  for (const entry of document.querySelectorAll(".legend li")) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(...entry.childNodes);
    button.addEventListener("click", () => {
      const off = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", String(!off));
      const figure = entry.closest("figure");
      for (const group of figure.querySelectorAll(`.plot [data-of="${entry.dataset.of}"]`)) {
        group.classList.toggle("off", off);
      }
    });
    entry.append(button);
  }
})();
