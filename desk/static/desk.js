// Comfort only: every page works without this file.
"use strict";

function addCopyButtons() {
  for (const block of document.querySelectorAll(".prose pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    const frame = document.createElement("div");
    frame.className = "code";
    block.replaceWith(frame);
    frame.append(block, button);
  }
}

// Swaps in the new board instead of reloading, so that the place on the page is kept; waits while
// somebody is typing a filter. A desk that does not answer is said out loud.
async function refresh() {
  if (document.activeElement?.closest(".filter")) return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    document.querySelector("#live").replaceWith(document.adoptNode(fresh.querySelector("#live")));
    document.querySelector("footer").replaceWith(document.adoptNode(fresh.querySelector("footer")));
  } catch (error) {
    const footer = document.querySelector("footer");
    footer.className = "alarm";
    footer.setAttribute("role", "alert");
    footer.textContent = `The desk does not answer (${error.message}): what is shown is old.`;
  }
}

addCopyButtons();
const board = document.querySelector("[data-refresh-seconds]");
if (board) setInterval(refresh, 1000 * Number(board.dataset.refreshSeconds));
