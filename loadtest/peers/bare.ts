/**
 * The server to compare with: uWebSockets.js alone, which collects the body, parses the same JSON and answers with a
 * reply of the same size. It checks nothing, reads no feature and runs no model. Prints its port
 * in the words of Millrace's log.
 */
import uWS from 'uWebSockets.js';

const app = uWS.App().post('/predict', (res) => {
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  const chunks: Buffer[] = [];
  res.onData((chunk, isLast) => {
    if (!isLast) {
      chunks.push(Buffer.from(Buffer.from(chunk)));
      return;
    }
    const body = chunks.length === 0 ? Buffer.from(chunk) : Buffer.concat([...chunks, Buffer.from(chunk)]);
    const { rows } = JSON.parse(body.toString()) as { rows: unknown[] };
    const predictions = rows.map(() => ({ y: 0.123456789012345 }));
    const reply = JSON.stringify({
      request_id: 'abcdefgh-1',
      endpoint: 'm',
      model: 'm',
      version: '1',
      variant: 'only',
      predictions,
    });
    if (isAborted) return;
    res.cork(() => res.writeHeader('content-type', 'application/json').end(reply));
  });
});

app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('cannot listen');
  console.log(JSON.stringify({ port: uWS.us_socket_local_port(socket), msg: 'ready' }));
});
