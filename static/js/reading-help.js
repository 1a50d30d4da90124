// The help dialog: what each key does, another key for it, or none at all.

import { USUAL, isKey, keepKeys, readKeys } from "./reading-keys.js";

// onChange({off, keys}): the reader has other keys from now on.
export function createHelp(dialog, { onChange }) {
  const on = dialog.querySelector("[data-keys-on]");
  const problem = dialog.querySelector("[data-key-problem]");
  const fields = new Map([...dialog.querySelectorAll("[data-key-of]")].map((field) => [field.dataset.keyOf, field]));
  let now = readKeys();
  let before = JSON.stringify(now);

  function show() {
    on.checked = !now.off;
    problem.textContent = "";
    for (const [action, field] of fields) {
      field.value = now.keys[action];
      field.disabled = now.off;
    }
  }

  function set(next) {
    now = next;
    show();
  }

  function take(action, key) {
    const other = Object.keys(now.keys).find((one) => one !== action && now.keys[one].toLowerCase() === key.toLowerCase());
    if (!other) return set({ ...now, keys: { ...now.keys, [action]: key } });
    const name = fields.get(other)?.closest("tr")?.querySelector("th").textContent ?? other;
    problem.textContent = problem.dataset.taken.replace("{key}", key).replace("{name}", name.trim());
  }

  for (const [action, field] of fields) {
    field.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || !isKey(event.key)) return;
      event.preventDefault();
      take(action, event.key);
    });
    field.addEventListener("focus", () => field.select());
  }
  on.addEventListener("change", () => set({ ...now, off: !on.checked }));
  dialog.querySelector("[data-keys-usual]").addEventListener("click", () => set({ off: false, keys: { ...USUAL } }));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (JSON.stringify(now) === before) return;
    before = JSON.stringify(now);
    keepKeys(now);
    onChange(now);
  });

  return {
    keys: () => now,
    open() {
      if (dialog.open) return;
      show();
      dialog.showModal();
    },
  };
}
