/** Elements of the page. All that is text becomes text nodes; nothing is ever read as HTML. */

/** An element with properties and children; texts become text nodes. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== undefined && child !== ''));
  return element;
}

/** A line of the document, with its code. */
export function inline(text) {
  return text
    .split(/(`[^`]+`)/)
    .map((part) => (/^`[^`]+`$/.test(part) ? make('code', {}, part.slice(1, -1)) : part));
}

/** A text of the document: paragraphs, headings, lists and code. */
export function prose(text) {
  const blocks = [];
  for (const block of text.split(/\n{2,}/)) {
    const lines = block.split('\n').filter((line) => line !== '');
    const items = lines.filter((line) => line.startsWith('- '));
    const others = lines.filter((line) => !line.startsWith('- '));
    for (const line of others)
      blocks.push(line.startsWith('## ') ? make('h3', {}, line.slice(3)) : make('p', {}, ...inline(line)));
    if (items.length > 0)
      blocks.push(make('ul', {}, ...items.map((item) => make('li', {}, ...inline(item.slice(2))))));
  }
  return blocks;
}
