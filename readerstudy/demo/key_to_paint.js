// Run by manage.py benchmark_reading in each page before its own scripts: what a key led to, in milliseconds since 1970.
// Element Timing says when a picture was presented, Event Timing how long a key took until the next paint.
(() => {
  const seen = { painted: [], events: {}, shift: 0, bare: 0 };
  window.keyToPaint = seen;
  // Resolved when more than so many pictures have been painted in this page.
  let tell = () => {};
  window.moreThan = (count, patience) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${seen.painted.length} pictures were painted, not ${count + 1}`)), patience);
      tell = () => seen.painted.length > count && resolve(seen.painted.at(-1));
      tell();
    });
  const observe = (type, options, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...options });

  addEventListener("keydown", (event) => sessionStorage.setItem("key", performance.timeOrigin + event.timeStamp), true);

  new MutationObserver((records) => {
    for (const { addedNodes } of records)
      for (const node of addedNodes) {
        const images = node.matches?.("[data-frame] img") ? [node] : (node.querySelectorAll?.("[data-frame] img") ?? []);
        for (const image of images) image.setAttribute("elementtiming", "picture");
      }
  }).observe(document, { childList: true, subtree: true });

  observe("element", {}, (entry) => {
    if (entry.identifier !== "picture") return;
    seen.painted.push(performance.timeOrigin + entry.renderTime);
    tell();
  });
  observe("event", { durationThreshold: 16 }, (entry) => {
    if (!entry.interactionId || !entry.name.startsWith("key")) return;
    seen.events[entry.interactionId] = Math.max(seen.events[entry.interactionId] ?? 0, entry.duration);
  });
  // Every shift counts here, those just after a key too: there every picture changes.
  observe("layout-shift", {}, (entry) => {
    seen.shift += entry.value;
  });
  // Frames of the screen, between the first picture and the last, in which no picture was there.
  const look = () => {
    if (seen.painted.length > 0 && document.querySelector("[data-view=question]:not([hidden]) [data-answer]")) {
      if (!document.querySelector("[data-frame] img")) seen.bare += 1;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
