// Browsers start no Worker from file://. There, this one runs the program of the search in a hidden frame of the page.
// The theme's program looks for the name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(address) {
      super();
      const source = new URL(address, document.baseURI).href;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      // What the program posts comes here, what the page posts goes there.
      frame.srcdoc = `<script>
        window.postMessage = data => parent.dispatchEvent(new CustomEvent("worker", { detail: data }));
      <\/script><script src="${source}"><\/script>`;
      this.ready = new Promise(resolve => frame.addEventListener("load", () => resolve(frame.contentWindow)));
      window.addEventListener("worker", event => {
        this.dispatchEvent(new MessageEvent("message", { data: event.detail }));
      });
      document.body ? document.body.append(frame)
        : document.addEventListener("DOMContentLoaded", () => document.body.append(frame));
    }
    postMessage(data) {
      this.ready.then(inside => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {}
  };
  window.Worker = window.IFrameWorker;
}
