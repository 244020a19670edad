'use strict';
(() => {
  const all = (selector, of = document) => Array.from(of.querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  const rows = all('.f');
  const groups = all('.g').map((element) => ({ element, rows: all('.f', element) }));
  const lists = all('.l').map((element) => ({ element, groups: all('.g', element) }));
  const severities = all('#bars button');
  const search = byId('search');
  const area = byId('area');
  const texts = new Map();
  const textOf = (row) => {
    let text = texts.get(row);
    if (text === undefined) {
      text = row.textContent.toLowerCase();
      texts.set(row, text);
    }
    return text;
  };

  const filter = () => {
    const off = new Set(severities.filter((b) => b.getAttribute('aria-pressed') === 'false').map((b) => b.dataset.s));
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = area.value;
    let shown = 0;
    for (const group of groups) {
      let some = false;
      const here = wanted === '' || group.element.dataset.a === wanted;
      for (const row of group.rows) {
        const show = here && !off.has(row.classList[1]) && words.every((word) => textOf(row).includes(word));
        row.hidden = !show;
        some = some || show;
        shown += show ? 1 : 0;
      }
      group.element.hidden = !some;
    }
    for (const list of lists) {
      list.element.hidden = list.groups.every((group) => group.hidden);
      if (words.length > 0 && list.element.tagName === 'DETAILS') list.element.open = true;
    }
    byId('shown').textContent = shown.toLocaleString('en') + ' of ' + rows.length.toLocaleString('en') + ' shown';
  };

  for (const button of severities) {
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') === 'false'));
      filter();
    });
  }
  search.addEventListener('input', filter);
  area.addEventListener('change', filter);
  for (const [id, open] of [['unfold', true], ['fold', false]]) {
    byId(id).addEventListener('click', () => rows.forEach((row) => {
      if (!row.hidden) row.open = open;
    }));
  }
  for (const cell of all('#map a[data-d]')) {
    cell.addEventListener('click', () => {
      search.value = cell.dataset.d;
      filter();
    });
  }
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === 'Escape' && search.value !== '') {
      search.value = '';
      filter();
    }
  });
  // What is printed is what is shown, unfolded.
  window.addEventListener('beforeprint', () => rows.forEach((row) => {
    if (!row.hidden) row.open = true;
  }));
  byId('tools').hidden = false;
  filter();
})();
