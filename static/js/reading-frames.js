// The pictures of a case in their frames: side by side or one at a time, and which of them keys and buttons move.

import { columnsFor } from "./reading-geometry.js";
import { createViewer } from "./reading-viewer.js";

const SMALLEST = 240; // CSS pixels of a frame; where side by side would be less, one at a time is the start
const KEPT = "readerstudy-layout"; // in localStorage: the reader's own choice, "all" or "one"

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

// onScale({percent, enlarged}): of the active picture. onZoom(): a picture was enlarged.
export function createFrames({ light, tools, picker, mayZoom, name, onScale, onZoom }) {
  let viewers = [];
  let active = 0;
  let sizes = [];
  let layout = kept();
  const toggle = picker.querySelector("[data-layout]");
  const buttons = picker.querySelector("[data-pick]");
  const scales = new Map(); // viewer -> what it last told

  function isOne() {
    if (viewers.length < 2) return false;
    if (layout) return layout === "one";
    const columns = columnsFor({ width: light.clientWidth, height: light.clientHeight }, sizes);
    const rows = Math.ceil(viewers.length / columns);
    return Math.min(light.clientWidth / columns, light.clientHeight / rows) < SMALLEST;
  }

  function arrange() {
    if (sizes.length === 0) return;
    const one = isOne();
    const columns = one ? 1 : columnsFor({ width: light.clientWidth, height: light.clientHeight }, sizes);
    light.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    viewers.forEach((viewer, index) => {
      viewer.frame.hidden = one && index !== active;
      viewer.frame.classList.toggle("active", index === active && viewers.length > 1 && !one);
    });
    picker.hidden = viewers.length < 2;
    toggle.setAttribute("aria-pressed", String(one));
    [...buttons.children].forEach((button, index) => button.setAttribute("aria-pressed", String(index === active)));
    const last = scales.get(viewers[active]);
    if (last) onScale(last);
  }

  function activate(index) {
    active = index;
    arrange();
  }

  function make(frame, index) {
    const viewer = createViewer(frame, {
      mayZoom,
      onChange(scale) {
        scales.set(viewer, scale);
        if (scale.enlarged) onZoom();
        if (viewers[active] === viewer) onScale(scale);
      },
    });
    for (const kind of ["pointerdown", "wheel"])
      frame.addEventListener(kind, () => viewers[active] !== viewer && activate(index), { passive: true });
    return viewer;
  }

  function fitFrames(count) {
    const frames = [...light.querySelectorAll("[data-frame]")];
    while (frames.length < count) {
      const frame = frames[0].cloneNode(false);
      frames.at(-1).after(frame);
      frames.push(frame);
    }
    for (const frame of frames.splice(count)) frame.remove();
    if (viewers.length !== count) {
      viewers = frames.map(make);
      buttons.replaceChildren(...viewers.map((_, index) => pick(index)));
    }
  }

  function pick(index) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "tool", textContent: String(index + 1) });
    button.addEventListener("click", () => activate(index));
    return button;
  }

  new ResizeObserver(arrange).observe(light);
  toggle.addEventListener("click", () => frames.toggleLayout());

  const frames = {
    // The pictures of this case, decoded, in place of those before.
    lay(images, shown) {
      fitFrames(images.length);
      sizes = images.map((image) => ({ width: image.naturalWidth, height: image.naturalHeight }));
      active = Math.min(active, images.length - 1);
      if (!viewers.some((viewer) => viewer.frame.firstChild)) active = 0;
      arrange();
      tools.hidden = false;
      images.forEach((image, index) => {
        const text = name(shown, index);
        image.alt = text.alt;
        viewers[index].show(image);
        if (images.length > 1) {
          buttons.children[index].setAttribute("aria-label", text.kind);
          viewers[index].frame.append(caption(text.kind));
        }
      });
    },
    clear() {
      active = 0;
      for (const viewer of viewers) viewer.clear();
    },
    step: (right, down) => viewers[active]?.step(right, down),
    larger: () => viewers[active]?.larger(),
    smaller: () => viewers[active]?.smaller(),
    fit: () => viewers[active]?.fit(),
    full: () => viewers[active]?.full(),
    toggle: () => viewers[active]?.toggle(),
    next() {
      if (viewers.length > 1) activate((active + 1) % viewers.length);
    },
    toggleLayout() {
      if (viewers.length < 2) return;
      layout = isOne() ? "all" : "one";
      try {
        localStorage.setItem(KEPT, layout);
      } catch {
        // Kept until the page is left.
      }
      arrange();
    },
  };
  return frames;
}

function caption(text) {
  const line = document.createElement("p");
  line.className = "caption";
  line.textContent = text;
  return line;
}
