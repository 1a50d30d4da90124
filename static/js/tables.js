// A .table wider than its place scrolls within it: then, and only then, the Tab key stops there, and the stop has the
// name of the table: its caption, or the heading that it stands under.

const nameOf = (box) => {
  const within = (selector, name) => box.closest(selector)?.querySelector(name);
  const heading = within("details", "summary") ?? within("section", "h2, h3") ?? document.querySelector("h1");
  return (box.querySelector("caption") ?? heading)?.textContent.trim().replace(/\s+/g, " ") ?? "";
};

const settle = (box) => {
  if (box.scrollWidth > box.clientWidth) {
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", nameOf(box));
  } else for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
};

const sizes = new ResizeObserver((entries) => {
  for (const box of new Set(entries.map(({ target }) => target.closest(".table")))) if (box) settle(box);
});

const watch = (root) => {
  for (const box of root.querySelectorAll(".table:not([role=group])")) {
    sizes.observe(box);
    sizes.observe(box.querySelector("table"));
  }
};

watch(document);
document.body.addEventListener("htmx:load", ({ detail }) => watch(detail.elt.parentElement ?? document));
