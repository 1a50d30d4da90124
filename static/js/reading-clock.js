// How long a case is looked at, by the browser's clock: what is told with the answer, and the time limit.

const WARNING = 20; // seconds before the end of which the reader may ask for more (WCAG 2.2.1)

// What is told of one look at a case: when it was painted and first touched, how long the page was hidden.
export function createWatch() {
  let look = null; // {shownAt, touchedAt, hidden, hiddenSince, zoomed}
  const now = () => performance.now();
  const iso = () => new Date().toISOString();

  document.addEventListener("visibilitychange", () => {
    if (!look) return;
    if (document.visibilityState === "hidden") look.hiddenSince = now();
    else if (look.hiddenSince !== null) {
      look.hidden += now() - look.hiddenSince;
      look.hiddenSince = null;
    }
  });
  const touch = () => {
    if (look) look.touchedAt ??= iso();
  };
  for (const kind of ["keydown", "pointerdown", "wheel"]) document.addEventListener(kind, touch, { capture: true, passive: true });

  return {
    start() {
      const hiddenSince = document.visibilityState === "hidden" ? now() : null;
      look = { shownAt: iso(), touchedAt: null, hidden: 0, hiddenSince, zoomed: false };
    },
    stop() {
      look = null;
    },
    zoomed() {
      if (look) look.zoomed = true;
    },
    // As the server takes it, at the moment of the answer.
    told() {
      const hidden = look.hidden + (look.hiddenSince === null ? 0 : now() - look.hiddenSince);
      return {
        shown_at: look.shownAt,
        touched_at: look.touchedAt,
        answered_at: iso(),
        hidden_ms: Math.round(hidden),
        zoomed: look.zoomed,
      };
    },
  };
}

// The time limit of a stage. onTick({left, warns}): seconds that are left. onUp(): none is left, told once.
// A reload does not wind it up again: when it began is kept for as long as the tab lives.
export function createLimit(name, { onTick, onUp }) {
  let timer = 0;
  let key = null;
  let end = 0;

  function begun() {
    try {
      const stored = JSON.parse(sessionStorage.getItem(name) ?? "null");
      if (stored?.key === key) return stored.at;
      sessionStorage.setItem(name, JSON.stringify({ key, at: Date.now() }));
    } catch {
      // Kept in no storage, it begins anew after a reload.
    }
    return Date.now();
  }

  function tick() {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    onTick({ left, warns: left <= WARNING });
    if (left > 0) return;
    clearInterval(timer);
    onUp();
  }

  return {
    start(of, seconds) {
      clearInterval(timer);
      key = of;
      end = begun() + seconds * 1000;
      timer = setInterval(tick, 250);
      tick();
    },
    more(seconds) {
      if (key === null) return;
      end = Math.max(end, Date.now()) + seconds * 1000;
      clearInterval(timer);
      timer = setInterval(tick, 250);
      tick();
    },
    stop() {
      clearInterval(timer);
      key = null;
    },
  };
}
