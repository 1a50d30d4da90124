// data-when="field" data-when-values="a b": shown only while the form's field has one of these values ("*": any).
// data-when-not="a": shown unless the field has this value.
// data-spare-rows on a list: of its empty last rows only one is shown; a button data-more-rows shows the next.
for (const part of document.querySelectorAll("[data-when]")) {
  const field = part.form?.elements[part.dataset.when] ?? part.closest("form").elements[part.dataset.when];
  const shown = part.dataset.whenValues?.split(" ");
  const box = part.closest(".field") ?? part;
  const follow = () => {
    if (!shown) box.hidden = field.value === part.dataset.whenNot;
    else box.hidden = shown[0] === "*" ? field.value === "" : !shown.includes(field.value);
  };
  field.addEventListener("change", follow);
  follow();
}

for (const list of document.querySelectorAll("[data-spare-rows]")) {
  const rows = [...list.children];
  const filled = (row) => [...row.querySelectorAll("input, select")].some((field) => field.value !== "");
  const more = list.parentElement.querySelector("[data-more-rows]");
  const last = rows.findLastIndex(filled);
  rows.forEach((row, index) => {
    row.hidden = index > Math.max(last + 1, 1);
  });
  const hidden = () => rows.find((row) => row.hidden);
  more.hidden = !hidden();
  more.addEventListener("click", () => {
    const row = hidden();
    row.hidden = false;
    row.querySelector("input").focus();
    more.hidden = !hidden();
  });
}
