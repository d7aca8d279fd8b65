// A mark's <title> as a tooltip that shows at once, also by touch, for the mark nearest to the pointer.
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("figure svg g > title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
function nearest({ target, clientX: x, clientY: y }) {
  let reach = 20, found = null;
  for (const mark of target.closest?.("figure svg")?.querySelectorAll("[data-tip]") ?? []) {
    const { left, right, top, bottom } = mark.getBoundingClientRect();
    const outside = Math.hypot(Math.max(left - x, x - right, 0), Math.max(top - y, y - bottom, 0));
    const distance = outside + Math.hypot(x - (left + right) / 2, y - (top + bottom) / 2) / 1000;  // of marks on one another
    if (distance < reach) [reach, found] = [distance, mark];
  }
  return found;
}
function show(event) {
  const { clientX: x, clientY: y } = event;
  tip.textContent = nearest(event)?.dataset.tip ?? "";
  tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 4)) + "px";
  tip.style.top = (y > tip.offsetHeight + 20 ? y - tip.offsetHeight - 12 : y + 20) + "px";
}
addEventListener("pointermove", show);
addEventListener("pointerdown", show);
addEventListener("scroll", () => { tip.textContent = ""; }, true);  // also where a box scrolls
