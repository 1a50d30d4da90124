// Draws each [data-figure] from the JSON block of that id, at the width of its place and with equal scales;
// [data-figure-save] saves it from the browser where the server has none to draw with.

const places = document.querySelectorAll("[data-figure]");
const CONFIG = { displayModeBar: false, responsive: false };

const specifications = new Map();

function load(url) {
  return new Promise((resolve, reject) => {
    // plotly.js brings the style sheet of its maps along as an inline <style>, which the page's policy would refuse.
    // There are no maps here: it is kept out while the script runs.
    const append = document.head.appendChild;
    document.head.appendChild = (node) => (node.tagName === "STYLE" ? node : append.call(document.head, node));
    const script = document.createElement("script");
    script.src = url;
    const settle = (done) => () => {
      delete document.head.appendChild;
      done();
    };
    script.addEventListener("load", settle(resolve));
    script.addEventListener("error", settle(() => reject(new Error(`${url} did not load`))));
    document.body.append(script);
  });
}

/** The size at which the axes are square; a figure whose axes are not has the height it was made with, and a drawing,
    whose axes are pixels, is made smaller as a whole, its words too. */
function size(width, layout) {
  const { margin, meta, height } = layout;
  if (meta && meta.shape === "drawing") return smaller(width, layout);
  if (meta && meta.shape === "fixed") return { width, height };
  return { width, height: margin.t + margin.b + width - margin.l - margin.r };
}

function smaller(width, { margin, height, width: made, font, annotations = [] }) {
  const share = Math.min(1, width / made);
  const around = margin.t + margin.b;
  const words = annotations.map((one) => ({
    ...one,
    font: { ...one.font, size: share * ((one.font && one.font.size) || font.size) },
  }));
  return { width, height: around + share * (height - around), annotations: words };
}

async function draw(place) {
  const { data, layout } = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  specifications.set(place.dataset.figure, { data, layout });
  place.classList.add("drawn");
  let drawn = place.clientWidth;
  await window.Plotly.newPlot(place, data, { ...layout, ...size(drawn, layout) }, CONFIG);
  new ResizeObserver(() => {
    const width = place.clientWidth;
    if (width > 0 && width !== drawn) {
      drawn = width;
      window.Plotly.relayout(place, size(width, layout));
    }
  }).observe(place);
}

function save(event) {
  const { figureSave: format, figureOf: id } = event.currentTarget.dataset;
  const specification = specifications.get(id);
  if (!specification) return; // not drawn: the link goes to the server, which says why
  event.preventDefault();
  const { width, height } = specification.layout;
  const scale = format === "png" ? 4 : 1;
  window.Plotly.downloadImage(specification, { format, width, height, scale, filename: id });
}

if (places.length) {
  await load(places[0].dataset.plotly);
  for (const place of places) await draw(place);
  for (const link of document.querySelectorAll("[data-figure-save]")) link.addEventListener("click", save);
}
