// select[data-countries]: the names of the countries (option values: ISO 3166-1) in the page's language, in its order.
const language = document.documentElement.lang;
const names = new Intl.DisplayNames([language], { type: "region" });

for (const select of document.querySelectorAll("select[data-countries]")) {
  const [nothing, ...options] = select.options;
  const { value } = select;
  for (const option of options) option.textContent = names.of(option.value);
  options.sort((one, other) => one.textContent.localeCompare(other.textContent, language));
  select.replaceChildren(nothing, ...options);
  select.value = value;
}
