// Notes each request that it is called for, then reads its body.
const fs = require('fs');
const seen = process.env.SEEN;
const server = require('http').createServer((request, response) => {
  fs.appendFileSync(seen, `${request.method} ${request.url}\n`);
  request.on('end', () => response.end('ok'));
  request.on('error', () => {});
  request.resume();
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.env.PORT), '127.0.0.1');
