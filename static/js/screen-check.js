// data-screen-check on the form of the screen's check: the size of the window goes with it, and a warning stands as long
// as it is less than data-least CSS pixels either way. The form is sent as it would be without this.
for (const form of document.querySelectorAll("form[data-screen-check]")) {
  const least = Number(form.dataset.least);
  const warning = form.querySelector("[data-too-small]");
  let measured = { width: 0, height: 0 };

  function measure() {
    const { innerWidth: width, innerHeight: height, devicePixelRatio } = window;
    if (width === measured.width && height < measured.height) return; // the keyboard on the screen, not the window
    measured = { width, height };
    form.elements.width.value = width;
    form.elements.height.value = height;
    form.elements.pixel_ratio.value = devicePixelRatio;
    const isSmall = Math.min(width, height) < least;
    const text = isSmall ? warning.dataset.text.replace("{width}", width).replace("{height}", height) : "";
    if (warning.textContent !== text) warning.textContent = text;
    warning.hidden = !isSmall;
  }

  window.addEventListener("resize", measure);
  measure();
  // With a keyboard at hand one begins to type; on a phone its own keyboard would cover the picture.
  if (matchMedia("(hover: hover) and (pointer: fine)").matches) form.elements.steps_seen.focus({ preventScroll: true });
}
