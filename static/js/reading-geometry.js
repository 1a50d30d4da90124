// How a picture lies in its frame: view = {scale, x, y}, in CSS pixels; (x, y) is the picture's upper left corner.
// Pure functions; `frame` and `picture` are {width, height}, `ratio` is the number of screen pixels in a CSS pixel.

export function fitScale(frame, picture) {
  return Math.min(frame.width / picture.width, frame.height / picture.height);
}

// One pixel of the picture on one pixel of the screen.
export function fullScale(ratio) {
  return 1 / ratio;
}

export function limits(frame, picture, ratio) {
  const fit = fitScale(frame, picture);
  return { least: Math.min(fit, fullScale(ratio)), most: Math.max(8 * fit, 8 * fullScale(ratio)) };
}

// No empty margin where there is picture to show; centred where the picture is smaller than the frame.
export function held(view, frame, picture) {
  const along = (offset, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, offset)));
  return {
    scale: view.scale,
    x: along(view.x, picture.width * view.scale, frame.width),
    y: along(view.y, picture.height * view.scale, frame.height),
  };
}

export function fitted(frame, picture) {
  return held({ scale: fitScale(frame, picture), x: 0, y: 0 }, frame, picture);
}

// To another scale, while what lies under `point` (of the frame) stays there.
export function zoomed(view, scale, point, frame, picture, ratio) {
  const { least, most } = limits(frame, picture, ratio);
  const to = Math.min(most, Math.max(least, scale));
  const x = point.x - ((point.x - view.x) / view.scale) * to;
  const y = point.y - ((point.y - view.y) / view.scale) * to;
  return held({ scale: to, x, y }, frame, picture);
}

export function moved(view, dx, dy, frame, picture) {
  return held({ ...view, x: view.x + dx, y: view.y + dy }, frame, picture);
}

export function isEnlarged(view, frame, picture) {
  return view.scale > fitScale(frame, picture) * 1.001;
}

// The number of columns in which so many pictures of a frame's size come out largest, the smallest of them counted.
export function columnsFor(frame, pictures) {
  let best = { columns: 1, scale: 0 };
  for (let columns = 1; columns <= pictures.length; columns += 1) {
    const cell = { width: frame.width / columns, height: frame.height / Math.ceil(pictures.length / columns) };
    const scale = Math.min(...pictures.map((picture) => fitScale(cell, picture)));
    if (scale > best.scale) best = { columns, scale };
  }
  return best.columns;
}
