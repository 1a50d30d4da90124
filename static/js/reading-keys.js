// Keys of the reading page. A key that is held down answers nothing twice; with Ctrl, Alt or Meta it is the browser's.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// answer(n): the choice with key n. step(right, down), larger(), smaller(), fit(): of the picture.
export function listenToKeys({ answer, step, larger, smaller, fit }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    // Held down on a button, Enter would press it again and again.
    if (event.repeat && event.key === "Enter" && event.target.closest("button")) event.preventDefault();
    if (event.target.closest("input:not([type=radio]), textarea, select, [contenteditable]")) return;
    const act = action(event);
    if (!act) return;
    event.preventDefault();
    act();
  });

  function action(event) {
    const { key } = event;
    if (ARROWS[key] && !event.target.closest("input")) return () => step(...ARROWS[key]);
    if (key === "+" || key === "=") return larger;
    if (key === "-" || key === "_") return smaller;
    if (key === "0") return fit;
    // By the sign, else by the place of the key: on a French keyboard the digits need Shift.
    const digit = /^[1-9]$/.test(key) ? key : /^Digit([1-9])$/.exec(event.code)?.[1];
    return digit ? () => event.repeat || answer(Number(digit)) : null;
  }
}
