// Keys of the reading page: which key does what, as the reader has it, and what a press means.
// A key that is held down does nothing twice; with Ctrl, Alt or Meta it is the browser's.

const KEPT = "readerstudy-keys"; // in localStorage: {off, keys: {action: key}}

const DIGITS = Object.fromEntries(Array.from("123456789", (digit) => [`answer-${digit}`, digit]));
export const USUAL = {
  ...DIGITS,
  cannot: "x",
  undo: "z",
  larger: "+",
  smaller: "-",
  fit: "0",
  full: "f",
  picture: "n",
  layout: "l",
  time: "t",
  help: "?",
};
const ALSO = { "=": "+", _: "-" }; // the same key without Shift, on many keyboards
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// {off, keys}: whether keys of one character are switched off (WCAG 2.1.4), and the key of each action.
export function readKeys() {
  let stored = null;
  try {
    stored = JSON.parse(localStorage.getItem(KEPT) ?? "null");
  } catch {
    // As usual.
  }
  const own = Object.entries(stored?.keys ?? {}).filter(([action, key]) => action in USUAL && isKey(key));
  return { off: stored?.off === true, keys: { ...USUAL, ...Object.fromEntries(own) } };
}

export function keepKeys(keys) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(keys));
  } catch {
    // Kept until the page is left.
  }
}

// A key that can be given to an action: one character, not the space, which presses what has the focus.
export function isKey(key) {
  return typeof key === "string" && [...key].length === 1 && key.trim() !== "";
}

// The action of a press, or null.
export function actionOf({ key, code }, { off, keys }) {
  if (off || !isKey(key)) return null;
  const lower = key.toLowerCase();
  const entries = Object.entries(keys);
  const named = entries.find(([, its]) => its.toLowerCase() === lower) ?? entries.find(([, its]) => its === ALSO[key]);
  if (named) return named[0];
  // By the place of the key: on a French keyboard the digits need Shift.
  const digit = /^Digit([1-9])$/.exec(code)?.[1];
  return digit && keys[`answer-${digit}`] === digit ? `answer-${digit}` : null;
}

// keys(): as they are now. act(action), step(right, down), send(), leave().
export function listenToKeys({ keys, act, step, send, leave }) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey) return;
    const { key, target } = event;
    // Held down on a button, Enter would press it again and again.
    if (event.repeat && key === "Enter" && target.closest("button")) event.preventDefault();
    if (target.closest("dialog")) return;
    const inText = target.closest("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]");
    if (key === "Enter" && sends(event, inText)) {
      event.preventDefault();
      if (!event.repeat) send();
      return;
    }
    if (event.ctrlKey || event.metaKey || inText) return;
    const does = meaning(event);
    if (!does) return;
    event.preventDefault();
    does();
  });

  // Enter answers from wherever it does nothing else; in a text of several lines with Ctrl.
  function sends({ ctrlKey, metaKey, target }, inText) {
    if (target.closest("button, a, summary")) return false;
    return target.closest("textarea") ? ctrlKey || metaKey : inText !== null || !(ctrlKey || metaKey);
  }

  function meaning(event) {
    const { key, target } = event;
    if (key === "Escape") return leave;
    if (ARROWS[key] && !target.closest("input")) return () => step(...ARROWS[key]);
    const action = actionOf(event, keys());
    if (!action) return null;
    const again = action === "larger" || action === "smaller"; // may be held down
    return () => (again || !event.repeat) && act(action);
  }
}
