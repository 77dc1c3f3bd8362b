// The link that sets the weights and the tab as they are now.
const field = one("input");

function link() {
  const weights = MODALITIES.map((name) => Number(document.querySelector(`#weight-${name} input[type=range]`).value).toFixed(2));
  const tab = document.querySelector('[role="tab"][aria-selected="true"]').dataset.tabId;
  return `${location.origin}${location.pathname}?weights=${weights}&tab=${tab}`;
}

one("button").addEventListener("click", async () => {
  field.value = link();
  field.hidden = false;
  one(".said").textContent = say((await copy(field)) ? "link_copied" : "link_by_hand");
});
translate(element);
