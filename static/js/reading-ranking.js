// A ranked differential: one field in which diagnoses are found as they are typed (the combobox of the ARIA Authoring
// Practices, with a list popup), and the list of those chosen, the likeliest first, which can be reordered.

import { find } from "./reading-search.js";

let serial = 0;

function made(tag, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// list: the <ol> of plain fields, which it replaces. diagnoses(): promise of what `prepare` gives.
// Returns {nodes(), set([{id, name}]), focus()}; onChange() is told of every change.
export function createRanking(list, { label, texts, diagnoses, onChange }) {
  const most = list.children.length;
  const id = `ranking-${(serial += 1)}`;
  let chosen = []; // {id, name}
  let options = [];
  let at = -1; // the option that Enter takes

  const input = made(
    "input",
    { type: "text", autocomplete: "off", spellcheck: false, maxLength: 100, id, placeholder: texts.typeDiagnosis },
    { role: "combobox", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list", "aria-label": label },
  );
  const popup = made("ul", { id: `${id}-list`, className: "found", hidden: true }, { role: "listbox", "aria-label": label });
  const word = made("p", { className: "found-none", hidden: true }, { role: "status" });
  const box = made("div", { className: "combobox" });
  const picks = made("ol", { className: "picks" });
  box.append(popup, word, input);
  list.replaceWith(picks, box);

  function close() {
    popup.hidden = true;
    word.hidden = true;
    options = [];
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(index) {
    at = index;
    [...popup.children].forEach((option, position) => option.setAttribute("aria-selected", String(position === at)));
    if (at < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", popup.children[at].id);
    popup.children[at].scrollIntoView({ block: "nearest" });
  }

  // Over the picture, where there is most room: in the panel it would be cut off.
  function place() {
    const { left, width, top, bottom } = input.getBoundingClientRect();
    const below = window.innerHeight - bottom;
    const isAbove = top > below;
    Object.assign(popup.style, {
      left: `${left}px`,
      width: `${width}px`,
      top: isAbove ? "auto" : `${bottom + 2}px`,
      bottom: isAbove ? `${window.innerHeight - top + 2}px` : "auto",
      maxHeight: `${Math.min(320, Math.max(top, below) - 8)}px`,
    });
  }

  function say(text) {
    word.textContent = text;
    word.hidden = text === "";
  }

  async function search() {
    const typed = input.value;
    if (typed.trim() === "") return close();
    let known;
    try {
      known = await diagnoses();
    } catch {
      close();
      return say(texts.noDiagnoses);
    }
    if (input.value !== typed) return;
    const taken = new Set(chosen.map((one) => one.id));
    options = find(known, typed).filter((one) => !taken.has(one.id));
    popup.replaceChildren(...options.map(option));
    popup.hidden = options.length === 0;
    place();
    input.setAttribute("aria-expanded", String(options.length > 0));
    say(options.length === 0 ? texts.noSuchDiagnosis : "");
    mark(options.length > 0 ? 0 : -1);
  }

  function option(one, index) {
    const element = made("li", { id: `${id}-${index}` }, { role: "option", "aria-selected": "false" });
    element.append(made("span", { textContent: one.name }), made("small", { textContent: one.path }));
    element.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the field
    element.addEventListener("click", () => take(one));
    return element;
  }

  function take({ id: node, name }) {
    chosen = [...chosen, { id: node, name }];
    input.value = "";
    close();
    changed();
  }

  function changed({ keepsFocus = false } = {}) {
    picks.replaceChildren(...chosen.map(pick));
    const full = chosen.length >= most;
    const had = document.activeElement === input;
    box.hidden = full;
    if (full && had && !keepsFocus) picks.lastElementChild.querySelector("button:last-child").focus();
    onChange();
  }

  function pick({ name }, index) {
    const item = made("li", {});
    item.append(made("span", { textContent: name }));
    if (index > 0) item.append(button("↑", texts.likelier.replace("{name}", name), () => raise(index)));
    item.append(button("×", texts.takeOut.replace("{name}", name), () => takeOut(index)));
    return item;
  }

  function button(sign, says, act) {
    const element = made("button", { type: "button", className: "tool", textContent: sign, title: says }, { "aria-label": says });
    element.addEventListener("click", act);
    return element;
  }

  function raise(index) {
    chosen = chosen.map((one, at) => (at === index - 1 ? chosen[index] : at === index ? chosen[index - 1] : one));
    changed();
    picks.children[index - 1].querySelector("button").focus();
  }

  function takeOut(index) {
    chosen = chosen.filter((_, position) => position !== index);
    changed();
    input.focus();
  }

  input.addEventListener("input", search);
  input.addEventListener("blur", close);
  window.addEventListener("resize", () => popup.hidden || place());
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = options.length > 0;
    if (event.key === "ArrowDown" && !open) void search();
    else if (event.key === "ArrowDown") mark((at + 1) % options.length);
    else if (event.key === "ArrowUp" && open) mark((at - 1 + options.length) % options.length);
    else if (event.key === "Enter" && open && at >= 0) take(options[at]);
    else if (event.key === "Enter" && input.value.trim() !== "") void search();
    else if (event.key === "Escape" && (open || input.value)) {
      if (!open) input.value = "";
      close();
    } else if (event.key === "Backspace" && input.value === "" && chosen.length > 0) takeOut(chosen.length - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    nodes: () => chosen.map((one) => one.id),
    set(those) {
      chosen = those;
      input.value = "";
      close();
      changed({ keepsFocus: true });
    },
    focus: () => (box.hidden ? picks.querySelector("button") : input).focus(),
  };
}
