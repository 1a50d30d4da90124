// A picture of the advice, small beside the questions: a press on it shows it as large as the window allows.

// Returns enlarge(image), which makes a button of the image and what stands with it; enlarge.close() puts the large one away.
export function createEnlarge(dialog) {
  const large = new Image();
  const name = document.createElement("p");
  dialog.prepend(large, name);

  function open(image) {
    Object.assign(large, { src: image.src, alt: "" });
    name.textContent = image.alt;
    dialog.showModal();
  }

  function enlarge(image) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "enlarge" });
    button.addEventListener("click", () => open(image));
    button.setAttribute("aria-label", image.alt);
    const place = image.parentElement;
    button.append(...place.childNodes); // with its caption: as large as a finger
    place.append(button);
  }

  dialog.addEventListener("click", () => dialog.close()); // wherever: there is nothing else to do in it
  enlarge.close = () => dialog.open && dialog.close();
  return enlarge;
}
