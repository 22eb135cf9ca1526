// The floor: moves bytes between each client and a connection of its own to the backend, and looks at none of them.
// One thread, epoll, no features: what is left of a request's cost is the kernel's.
//
// relay PORT BACKEND_PORT [PORT BACKEND_PORT]...   Build: cc -O2 -o relay relay.c
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536 };

// One direction's source. What could not be written yet waits in `pending`, and the source is not read until it has gone.
struct side {
    int fd, listener, backend_port;
    unsigned events;
    struct side *peer;
    char *pending;
    size_t start, stop;
    int ended, closed;
};

static int epoll;
static char buffer[BUFFER];
static struct side *closed[1024];
static int closed_count;

static void watch(struct side *s, unsigned events, int operation) {
    if (operation == EPOLL_CTL_MOD && s->events == events) return;
    struct epoll_event event = {.events = events, .data.ptr = s};
    s->events = events;
    if (epoll_ctl(epoll, operation, s->fd, &event)) { perror("epoll_ctl"); exit(1); }
}

// Readable unless its last bytes wait, writable if the peer's do.
static void rewatch(struct side *s) {
    watch(s, (s->pending || s->ended ? 0 : EPOLLIN) | (s->peer->pending ? EPOLLOUT : 0), EPOLL_CTL_MOD);
}

static void drop(struct side *s) {
    if (s->closed) return;
    struct side *both[] = {s, s->peer};
    for (int i = 0; i < 2; i++) {
        close(both[i]->fd);
        free(both[i]->pending);
        both[i]->pending = NULL, both[i]->closed = 1;
        closed[closed_count++] = both[i];  // freed after this round: an event for it may be in hand
    }
}

static void end(struct side *from) {
    shutdown(from->peer->fd, SHUT_WR);
    if (from->peer->ended) drop(from);
}

static void forward(struct side *from) {
    ssize_t n = recv(from->fd, buffer, BUFFER, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) { drop(from); return; }
    if (n == 0) {
        from->ended = 1;
        rewatch(from);
        end(from);
        return;
    }
    ssize_t sent = send(from->peer->fd, buffer, n, MSG_NOSIGNAL);
    if (sent == n) return;
    if (sent < 0 && errno != EAGAIN) { drop(from); return; }
    if (sent < 0) sent = 0;
    from->pending = malloc(n - sent), from->start = 0, from->stop = n - sent;
    memcpy(from->pending, buffer + sent, n - sent);
    rewatch(from), rewatch(from->peer);
}

static void flush(struct side *to) {
    struct side *from = to->peer;
    ssize_t sent = send(to->fd, from->pending + from->start, from->stop - from->start, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent < 0) { drop(to); return; }
    from->start += sent;
    if (from->start < from->stop) return;
    free(from->pending);
    from->pending = NULL;
    rewatch(from), rewatch(to);
}

static void accept_all(struct side *listener) {
    for (int i = 0; i < 16; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(listener->backend_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int backend = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(backend, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(backend, (void *)&to, sizeof to) && errno != EINPROGRESS) { close(fd), close(backend); continue; }
        struct side *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
        a->fd = fd, b->fd = backend, a->peer = b, b->peer = a;
        watch(a, EPOLLIN, EPOLL_CTL_ADD), watch(b, EPOLLIN, EPOLL_CTL_ADD);
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(0);
    for (int i = 1; i + 1 < argc; i += 2) {
        struct side *listener = calloc(1, sizeof *listener);
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[i])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int on = 1;
        listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        listener->listener = 1, listener->backend_port = atoi(argv[i + 1]);
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(listener->fd, (void *)&here, sizeof here) || listen(listener->fd, 4096)) { perror("listen"); return 1; }
        watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    }
    struct epoll_event events[256];
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct side *s = events[i].data.ptr;
            if (s->closed) continue;
            if (s->listener) { accept_all(s); continue; }
            if (events[i].events & EPOLLOUT && s->peer->pending) flush(s);
            if (!s->closed && events[i].events & EPOLLIN) forward(s);
            else if (!s->closed && events[i].events & (EPOLLERR | EPOLLHUP) && !(events[i].events & EPOLLOUT)) drop(s);
        }
        while (closed_count) free(closed[--closed_count]);
    }
}
