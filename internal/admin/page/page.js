// Reads the page again every few seconds and puts in what has changed.
'use strict';
(() => {
  const every = 3000;
  const gone = document.getElementById('gone');
  let since = null;
  let asking = false; // an answer that is late must not replace a newer one

  function replace(part, fresh) {
    if (part.innerHTML === fresh.innerHTML && part.hidden === fresh.hidden) return;
    part.replaceChildren(...Array.from(fresh.childNodes, (n) => document.importNode(n, true)));
    part.hidden = fresh.hidden;
  }

  async function refresh() {
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const part of document.querySelectorAll('[data-live]')) {
        const fresh = next.getElementById(part.id);
        if (fresh) replace(part, fresh);
      }
      document.title = next.title;
      since = null;
      gone.hidden = true;
    } catch {
      since ??= new Date();
      gone.textContent = `edged has not answered since ${since.toLocaleTimeString()}: what is below is old.`;
      gone.hidden = false;
    } finally {
      asking = false;
    }
  }

  setInterval(refresh, every);
  document.addEventListener('visibilitychange', refresh);
})();
