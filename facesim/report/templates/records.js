// Lets the reader sort, filter and search the tables of records.
(() => {
  "use strict";

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };

  const prepare = (root) => {
    const { columns, filters, search } = JSON.parse(root.querySelector("script").textContent);
    const text = (column, row) => column.texts[column.codes ? column.codes[row] : row];
    const first = columns[0];
    const rows = Array.from(first.codes || first.texts, (_, row) => row);
    const body = root.querySelector("tbody");
    const perPage = body.rows.length;
    let shown = perPage;
    let order = null; // { column, down }

    const compare = (column, down) => (a, b) => {
      const sign = down ? -1 : 1;
      if (!column.numbers) {
        return sign * text(column, a).localeCompare(text(column, b), "en", { numeric: true });
      }
      const [x, y] = [column.numbers[a], column.numbers[b]];
      if (x === null || y === null) return (x === null) - (y === null);
      return sign * (x - y);
    };

    const controls = make("div", { class: "controls" });
    const accepted = []; // functions of a row

    for (const { label, groups } of filters) {
      const select = make("select", {}, make("option", { value: "" }, "all"));
      groups.forEach((group, number) => {
        const options = group.values.map((value, code) =>
          make("option", { value: `${number} ${code.toString(36)}` }, value),
        );
        select.append(...(group.label ? [make("optgroup", { label: group.label }, ...options)] : options));
      });
      controls.append(make("label", {}, label, select));
      accepted.push((row) => {
        if (!select.value) return true;
        const [number, code] = select.value.split(" ");
        return groups[number].rows[row] === code;
      });
      select.addEventListener("change", () => update(true));
    }
    if (search) {
      const field = make("input", { type: "search", spellcheck: "false", autocomplete: "off" });
      controls.append(make("label", {}, search, field));
      accepted.push((row) => {
        const wanted = field.value.trim().toLowerCase();
        return !wanted || columns.some((column) => text(column, row).toLowerCase().includes(wanted));
      });
      field.addEventListener("input", () => update(true));
    }

    const status = root.querySelector(".status") || make("p", { class: "status" });
    status.setAttribute("role", "status");
    const more = make("button", { type: "button" }, "Show more rows");
    more.addEventListener("click", () => {
      shown += 5 * perPage;
      update(false);
    });

    const cell = (column, row, index) => {
      const attributes = column.numbers ? { class: "number" } : {};
      if (index === 0) return make("th", { scope: "row", ...attributes }, text(column, row));
      return make("td", attributes, text(column, row));
    };

    const update = (restart) => {
      if (restart) shown = perPage;
      const found = rows.filter((row) => accepted.every((accepts) => accepts(row)));
      if (order) found.sort(compare(order.column, order.down));
      const drawn = found.slice(0, shown);
      body.replaceChildren(
        ...drawn.map((row) => make("tr", {}, ...columns.map((column, index) => cell(column, row, index)))),
      );
      const number = (value) => value.toLocaleString("en");
      const of = found.length < rows.length ? `, of ${number(rows.length)} in all` : "";
      status.textContent =
        drawn.length < found.length
          ? `The first ${number(drawn.length)} of ${number(found.length)} rows${of}.`
          : `${number(found.length)} ${found.length === 1 ? "row" : "rows"}${of}.`;
      more.hidden = drawn.length === found.length;
    };

    root.querySelectorAll("thead th").forEach((heading, index) => {
      const column = columns[index];
      const button = make("button", { type: "button" }, column.label);
      button.addEventListener("click", () => {
        // A first click on numbers asks for the largest.
        const down = order && order.column === column ? !order.down : Boolean(column.numbers);
        order = { column, down };
        root.querySelectorAll("thead th").forEach((each) => each.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        update(true);
      });
      heading.replaceChildren(button);
    });
    if (controls.childElementCount) root.prepend(controls);
    root.append(status, more);
    update(true);
  };

  document.querySelectorAll(".records").forEach(prepare);
})();
