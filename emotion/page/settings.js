// The link that sets the weights and the tab as they are now. Before it stands, from Python: const MODALITIES = [...].
const field = element.querySelector("input");
const said = element.querySelector(".said");

function link() {
  const weights = MODALITIES.map((name) => Number(document.querySelector(`#weight-${name} input[type=range]`).value).toFixed(2));
  const tab = document.querySelector('[role="tab"][aria-selected="true"]').dataset.tabId;
  return `${location.origin}${location.pathname}?weights=${weights}&tab=${tab}`;
}

element.querySelector("button").addEventListener("click", async () => {
  field.value = link();
  field.hidden = false;
  const key = (await window.emotion.copy(field)) ? "link_copied" : "link_by_hand";
  said.textContent = window.emotion.say(key);
});
window.emotion.translate(element);
