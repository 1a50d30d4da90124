// Zoom and pan in one frame: wheel, pinch, drag, double tap or click; buttons and keys call the same functions.

import { fitScale, fitted, fullScale, isEnlarged, moved, zoomed } from "./reading-geometry.js";

const STEP = 1.25; // of one press on + or -
const DOUBLE_TAP = { milliseconds: 350, pixels: 24 };

// onChange({percent, enlarged}) is told of every change; percent is of one picture pixel to one screen pixel.
// Where the protocol does not let the picture be enlarged (`mayZoom`), it is always shown whole.
export function createViewer(frame, { mayZoom, onChange }) {
  let image = null;
  let picture = null;
  let view = null;
  let whole = true; // the picture is kept fitted when the frame changes

  const box = () => ({ width: frame.clientWidth, height: frame.clientHeight });
  const centre = () => ({ x: frame.clientWidth / 2, y: frame.clientHeight / 2 });
  const ratio = () => window.devicePixelRatio || 1;

  function set(next, isWhole) {
    view = next;
    whole = isWhole;
    image.style.width = `${picture.width * view.scale}px`;
    image.style.height = `${picture.height * view.scale}px`;
    image.style.transform = `translate(${view.x}px, ${view.y}px)`;
    const enlarged = isEnlarged(view, box(), picture);
    frame.classList.toggle("enlarged", enlarged);
    onChange({ percent: Math.round(view.scale * ratio() * 100), enlarged });
  }

  const there = () => image !== null && frame.clientWidth > 0 && frame.clientHeight > 0;

  const viewer = {
    frame,
    show(next) {
      image = next;
      picture = { width: next.naturalWidth, height: next.naturalHeight };
      frame.classList.add("zoomable");
      frame.replaceChildren(image);
      viewer.fit();
    },
    clear() {
      image = null;
      frame.replaceChildren();
      frame.classList.remove("enlarged");
    },
    fit() {
      if (there()) set(fitted(box(), picture), true);
    },
    to(scale, point = centre()) {
      if (mayZoom && there()) set(zoomed(view, scale, point, box(), picture, ratio()), false);
    },
    by(factor, point) {
      if (there()) viewer.to(view.scale * factor, point);
    },
    larger: () => viewer.by(STEP),
    smaller: () => viewer.by(1 / STEP),
    // One picture pixel on one screen pixel.
    full: () => viewer.to(fullScale(ratio())),
    // Between the whole picture and full size.
    toggle() {
      if (whole) viewer.full();
      else viewer.fit();
    },
    // Between the whole picture and a closer look at `point`.
    closer(point) {
      if (!there()) return;
      if (isEnlarged(view, box(), picture)) viewer.fit();
      else viewer.to(Math.max(2 * fitScale(box(), picture), fullScale(ratio())), point);
    },
    move(dx, dy) {
      if (there()) set(moved(view, dx, dy, box(), picture), whole);
    },
    // One press on an arrow: a fifth of the frame.
    step(right, down) {
      viewer.move((-right * frame.clientWidth) / 5, (-down * frame.clientHeight) / 5);
    },
  };

  new ResizeObserver(() => {
    if (!there()) return;
    if (whole) viewer.fit();
    else viewer.move(0, 0);
  }).observe(frame);
  if (mayZoom) followPointers(frame, viewer);
  return viewer;
}

function followPointers(frame, viewer) {
  const down = new Map(); // pointer -> where it is
  let tap = null; // the last short touch: {at, x, y}
  let travelled = 0;

  const place = (event) => {
    const { left, top } = frame.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };
  const pair = () => {
    const [a, b] = [...down.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
  };

  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    if (down.size === 0) travelled = 0;
    down.set(event.pointerId, place(event));
    frame.classList.add("moving");
  });

  frame.addEventListener("pointermove", (event) => {
    const from = down.get(event.pointerId);
    if (!from) return;
    const to = place(event);
    const before = down.size === 2 ? pair() : null;
    down.set(event.pointerId, to);
    travelled += Math.hypot(to.x - from.x, to.y - from.y);
    if (before) {
      const after = pair();
      viewer.move(after.x - before.x, after.y - before.y);
      if (before.apart > 0) viewer.by(after.apart / before.apart, after);
      travelled = Infinity;
    } else if (down.size === 1) {
      viewer.move(to.x - from.x, to.y - from.y);
    }
  });

  function up(event) {
    if (!down.delete(event.pointerId) || down.size > 0) return;
    frame.classList.remove("moving");
    if (event.type === "pointercancel" || travelled > DOUBLE_TAP.pixels) {
      tap = null;
      return;
    }
    const here = { ...place(event), at: event.timeStamp };
    const again =
      tap &&
      here.at - tap.at < DOUBLE_TAP.milliseconds &&
      Math.hypot(here.x - tap.x, here.y - tap.y) < DOUBLE_TAP.pixels;
    if (again) viewer.closer(here);
    tap = again ? null : here;
  }
  frame.addEventListener("pointerup", up);
  frame.addEventListener("pointercancel", up);

  frame.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      viewer.by(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), place(event));
    },
    { passive: false },
  );
}
