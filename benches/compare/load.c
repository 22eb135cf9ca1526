// An HTTP/1.1 client for measurements: one thread, epoll, closed loop or a fixed open-loop rate, and every answer
// checked: its status, its length, and each byte of its body.
//
// load address=127.0.0.1 port=P [host=NAME | hosts=FILE] [path=/] [expect=FILE] [upload=FILE] [connections=32]
//      [seconds=2 | requests=N] [rate=0] [close=0] [tls=none|keep|full|resume] [leave=0] [timeout=10]
//
// leave=1 asks for nothing: a handshake, a goodbye, and the server's end of the connection.
// rate=0 is a closed loop: each connection asks again at once. With a rate, the latency of a request counts from when
// it was due and not from when it was sent, so that a proxy that stalls cannot hide how many it kept waiting.
// Prints one line of JSON. Build: cc -O2 -o load load.c -lssl -lcrypto
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum state { CLOSED, CONNECTING, HANDSHAKE, LEAVING, IDLE, WRITING, HEAD, BODY };
enum { HEAD_MAX = 16384, CHUNK = 262144, BUCKETS = 64 * 40 };

struct connection {
    int fd, out;               // out: EPOLLOUT is asked for
    enum state state;
    SSL *ssl;
    SSL_SESSION *session;
    long long due;             // when the request that it has was due
    size_t sent, used, body;   // bytes of the request, of the head, of the body so far
    char request[1024];
    size_t request_size;
    char head[HEAD_MAX];
};

static const char *address = "127.0.0.1", *path = "/", *tls = "none";
static int port, connections = 32, closing, leaving, timeout_s = 10;
static double seconds = 2, rate;
static long long limit;        // requests; 0: until the time is over
static char **hosts;
static size_t host_count;
static char *expected, *upload;
static size_t expected_size, upload_size;

static struct connection *all;
static int *waiting, waiting_count;  // connections without a request
static int epoll;
static SSL_CTX *context;
static long long begin, end, launched, done, failed, in_flight, opened, resumed, bytes;
static long long counts[BUCKETS];
static char problem[256], scratch[CHUNK];
static unsigned long long random_state = 88172645463325252ull;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void die(const char *what) { perror(what); exit(1); }

static char *contents(const char *name, size_t *size) {
    int fd = open(name, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info)) die(name);
    *size = info.st_size;
    char *data = mmap(NULL, info.st_size ? info.st_size : 1, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) die(name);
    close(fd);
    return data;
}

// 64 buckets for each power of two: within 1.6 % of the value.
static int bucket(long long us) {
    if (us < 64) return us;
    int power = 63 - __builtin_clzll(us);
    int index = (power - 5) * 64 + (int)((us >> (power - 6)) - 64);
    return index < BUCKETS ? index : BUCKETS - 1;
}

static long long bucket_us(int index) {
    return index < 64 ? index : (long long)(64 + index % 64) << (index / 64 - 1);
}

static int wants_more(long long time) { return limit ? launched < limit : time < end; }

static void watch(struct connection *c, int out) {
    if (c->out == out) return;
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event)) die("epoll_ctl");
    c->out = out;
}

static void finish(struct connection *c) {
    if (c->ssl) {
        if (!strcmp(tls, "resume") && c->state == IDLE) {
            if (c->session) SSL_SESSION_free(c->session);
            c->session = SSL_get1_session(c->ssl);
        }
        SSL_set_quiet_shutdown(c->ssl, 1);
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
}

static void fail(struct connection *c, const char *what) {
    if (!*problem) snprintf(problem, sizeof problem, "%s (state %d, errno %d, %zu bytes of the body)", what, c->state, errno, c->body);
    int busy = c->state != IDLE;
    c->state = CLOSED;
    finish(c);
    if (!busy) return;  // it was closed between two requests, and is still among those that wait
    failed++, in_flight--;
    waiting[waiting_count++] = c - all;
    if (failed > 10000 && done < failed) { fprintf(stderr, "%s\n", problem); exit(1); }
}

static void open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (closing) {  // many source addresses, or the ports of one run out
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002 + opened % 50)};
        setsockopt(c->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
        if (bind(c->fd, (void *)&from, sizeof from)) die("bind");
    }
    opened++;
    if (connect(c->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
    c->out = 1;
    c->state = CONNECTING;
}

static ssize_t receive(struct connection *c, void *into, size_t size) {
    if (!c->ssl) return recv(c->fd, into, size, 0);
    int n = SSL_read(c->ssl, into, size);
    if (n > 0) return n;
    int error = SSL_get_error(c->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) { errno = EAGAIN; return -1; }
    if (error != SSL_ERROR_ZERO_RETURN) errno = EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t transmit(struct connection *c) {
    if (c->ssl) {
        int n = SSL_write(c->ssl, c->request + c->sent, c->request_size - c->sent);
        if (n <= 0) errno = SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
        return n <= 0 ? -1 : n;
    }
    struct iovec parts[2];
    int count = 0;
    if (c->sent < c->request_size) parts[count++] = (struct iovec){c->request + c->sent, c->request_size - c->sent};
    size_t skip = c->sent > c->request_size ? c->sent - c->request_size : 0;
    if (upload_size > skip) parts[count++] = (struct iovec){upload + skip, upload_size - skip};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

static void write_more(struct connection *c) {
    while (c->sent < c->request_size + upload_size) {
        ssize_t n = transmit(c);
        if (n < 0 && errno == EAGAIN) { watch(c, 1); return; }
        if (n < 0) { fail(c, "write"); return; }
        c->sent += n;
    }
    watch(c, 0);
    c->state = HEAD;
}

static void shake(struct connection *c) {
    int n = SSL_do_handshake(c->ssl);
    if (n == 1) {
        resumed += SSL_session_reused(c->ssl);
        if (leaving) {
            SSL_shutdown(c->ssl);
            c->state = LEAVING;
            watch(c, 0);
            return;
        }
        c->state = WRITING;
        write_more(c);
        return;
    }
    int error = SSL_get_error(c->ssl, n);
    if (error == SSL_ERROR_WANT_READ) watch(c, 0);
    else if (error == SSL_ERROR_WANT_WRITE) watch(c, 1);
    else fail(c, "TLS handshake");
}

static void connected(struct connection *c) {
    if (!strcmp(tls, "none")) {
        c->state = WRITING;
        write_more(c);
        return;
    }
    c->ssl = SSL_new(context);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, hosts[0]);
    if (c->session) SSL_set_session(c->ssl, c->session);
    SSL_set_connect_state(c->ssl);
    c->state = HANDSHAKE;
    shake(c);
}

static const char *pick_host(void) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return hosts[random_state % host_count];
}

// Gives a connection the next request. It is due when the schedule says, or now.
static void launch(struct connection *c, long long due) {
    c->request_size = snprintf(c->request, sizeof c->request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", upload ? "POST" : "GET", path,
                               pick_host(), closing ? "Connection: close\r\n" : "");
    if (upload) c->request_size += sprintf(c->request + c->request_size, "Content-Length: %zu\r\n", upload_size);
    c->request_size += sprintf(c->request + c->request_size, "\r\n");
    c->due = due, c->sent = c->used = c->body = 0;
    launched++, in_flight++;
    if (c->fd < 0) { open_connection(c); return; }
    c->state = WRITING;
    write_more(c);
}

static void complete(struct connection *c) {
    long long time = now();
    done++, in_flight--;
    counts[bucket((time - c->due) / 1000)]++;
    c->state = IDLE;
    if (closing) finish(c);
    if (!rate && wants_more(time)) launch(c, time);
    else waiting[waiting_count++] = c - all;
}

// What came after the head, compared with what should have come.
static int body(struct connection *c, const char *data, size_t size) {
    if (size > expected_size - c->body || memcmp(data, expected + c->body, size)) { fail(c, "another body"); return 0; }
    c->body += size, bytes += size;
    if (c->body == expected_size) { complete(c); return 0; }
    return 1;
}

static int head(struct connection *c) {
    c->head[c->used] = 0;
    char *stop = strstr(c->head, "\r\n\r\n");
    if (!stop) {
        if (c->used >= HEAD_MAX - 1) { fail(c, "head too long"); return 0; }
        return 1;
    }
    if (strncmp(c->head, "HTTP/1.1 200", 12)) { fail(c, "status"); return 0; }
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (!length || length > stop || strtoull(length + 17, NULL, 10) != expected_size) { fail(c, "length"); return 0; }
    char *rest = stop + 4;
    c->state = BODY;
    return body(c, rest, c->head + c->used - rest);
}

static void read_more(struct connection *c) {
    for (;;) {
        int heading = c->state == HEAD;
        ssize_t n = heading ? receive(c, c->head + c->used, HEAD_MAX - 1 - c->used) : receive(c, scratch, CHUNK);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) { fail(c, n ? "read" : "closed"); return; }
        if (c->state != HEAD && c->state != BODY) { fail(c, "an answer that nobody asked for"); return; }
        if (heading) c->used += n;
        if (!(heading ? head(c) : body(c, scratch, n))) return;
        if (!c->ssl && n < (heading ? 1 : CHUNK)) return;  // the socket is empty
    }
}

// The server's tickets may still come, and then its end, in whatever form.
static void leave(struct connection *c) {
    for (;;) {
        ssize_t n = receive(c, scratch, CHUNK);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) { complete(c); return; }
    }
}

static void ready(struct connection *c, unsigned events) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        errno = error;
        if (error) fail(c, "connect");
        else if (events & EPOLLOUT) connected(c);
        return;
    }
    if (c->state == HANDSHAKE) { shake(c); return; }
    if (c->state == LEAVING) { leave(c); return; }
    if (c->state == WRITING && events & EPOLLOUT) write_more(c);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->fd >= 0) {
        if (c->state == WRITING && !(events & (EPOLLHUP | EPOLLERR))) c->state = HEAD;  // an answer before the request has gone
        read_more(c);
    }
}

static void parse(int argc, char **argv) {
    static char *one = "bench.example";
    hosts = &one, host_count = 1;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value) { fprintf(stderr, "%s: name=value is expected\n", argv[i]); exit(2); }
        *value++ = 0;
        const char *name = argv[i];
        if (!strcmp(name, "address")) address = value;
        else if (!strcmp(name, "port")) port = atoi(value);
        else if (!strcmp(name, "path")) path = value;
        else if (!strcmp(name, "tls")) tls = value;
        else if (!strcmp(name, "connections")) connections = atoi(value);
        else if (!strcmp(name, "close")) closing = atoi(value);
        else if (!strcmp(name, "leave")) leaving = atoi(value);
        else if (!strcmp(name, "timeout")) timeout_s = atoi(value);
        else if (!strcmp(name, "seconds")) seconds = atof(value);
        else if (!strcmp(name, "requests")) limit = atoll(value);
        else if (!strcmp(name, "rate")) rate = atof(value);
        else if (!strcmp(name, "expect")) expected = contents(value, &expected_size);
        else if (!strcmp(name, "upload")) upload = contents(value, &upload_size);
        else if (!strcmp(name, "host")) one = value;
        else if (!strcmp(name, "hosts")) {
            size_t size;
            const char *data = contents(value, &size);
            char *line = strtok(strndup(data, size), "\n");
            hosts = malloc(size * sizeof *hosts);
            for (host_count = 0; line; line = strtok(NULL, "\n")) hosts[host_count++] = line;
        } else { fprintf(stderr, "%s is not known\n", name); exit(2); }
    }
    if (!expected) expected = "", expected_size = 0;
    if (!strcmp(tls, "full") || !strcmp(tls, "resume")) closing = 1;
}

static void prepare_tls(void) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(context, "X25519");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv) {
    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    if (strcmp(tls, "none")) prepare_tls();
    epoll = epoll_create1(0);
    all = calloc(connections, sizeof *all);
    waiting = calloc(connections, sizeof *waiting);
    begin = now(), end = begin + (long long)(seconds * 1e9);
    for (int i = connections - 1; i >= 0; i--) all[i].fd = -1, waiting[waiting_count++] = i;
    if (!rate)
        while (waiting_count && wants_more(begin)) launch(&all[waiting[--waiting_count]], now());
    struct epoll_event events[256];
    long long progress = begin, before = 0;
    while (in_flight || (rate && wants_more(now()))) {
        long long pause = 1000000000;
        if (rate) {
            long long time = now(), due = begin + (long long)(launched * 1e9 / rate);
            while (waiting_count && due <= time && (limit ? launched < limit : due < end)) {
                launch(&all[waiting[--waiting_count]], due);
                due = begin + (long long)(launched * 1e9 / rate);
            }
            if (!limit && due >= end) { if (!in_flight) break; }
            else if (waiting_count && due - time < pause) pause = due > time ? due - time : 0;
        }
        struct timespec wait = {.tv_sec = pause / 1000000000, .tv_nsec = pause % 1000000000};
        int n = epoll_pwait2(epoll, events, 256, &wait, NULL);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c->fd >= 0) ready(c, events[i].events);
        }
        long long time = now();
        if (done + bytes + failed != before) before = done + bytes + failed, progress = time;
        else if (in_flight && time - progress > timeout_s * 1000000000ll) {
            if (!*problem) snprintf(problem, sizeof problem, "%lld requests without an answer", in_flight);
            failed += in_flight;
            break;
        }
    }
    printf("{\"requests\": %lld, \"failed\": %lld, \"problem\": \"%s\", \"seconds\": %.6f, \"opened\": %lld, \"resumed\": %lld, \"histogram\": [",
           done, failed, problem, (now() - begin) / 1e9, opened, resumed);
    for (int i = 0, first = 1; i < BUCKETS; i++)
        if (counts[i]) printf("%s[%lld, %lld]", first ? "" : ", ", bucket_us(i), counts[i]), first = 0;
    printf("]}\n");
}
