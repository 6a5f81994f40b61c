// The raw floor: the least that a single-threaded EGD server can do. One epoll loop, level-triggered, one read and one
// write per request; bytes come from 32 KiB of getrandom(2) at a time and are wiped when sent. No shaping, no
// accounting, no care for a full socket: it closes. What a real server needs beyond this is what the benchmark shows.
//
// usage: floor DIR N      listens on DIR/0/egd.sock … DIR/(N-1)/egd.sock (the directories exist)
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER = 32768, EVENTS = 256, FDS = 1 << 17, INPUT = 4096 };

static unsigned char buffer[BUFFER];
static size_t used = BUFFER;
static unsigned char reply[FDS];
static unsigned char listening[FDS];
static unsigned char carried[FDS]; // 1 + nothing: a lone 0x02 waits for its length

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void take(unsigned char *to, size_t n)
{
    if (BUFFER - used < n) {
        if (getrandom(buffer, BUFFER, 0) != BUFFER)
            die("getrandom");
        used = 0;
    }
    memcpy(to, buffer + used, n);
    explicit_bzero(buffer + used, n);
    used += n;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void listen_at(int epoll, const char *dir, int i)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%d/egd.sock", dir, i);
    unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (void *)&address, sizeof address) || listen(fd, 4096))
        die(address.sun_path);
    listening[fd] = 1;
    watch(epoll, fd);
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        carried[fd] = 0;
        watch(epoll, fd);
    }
}

static void serve(int fd)
{
    unsigned char in[INPUT];
    ssize_t got = read(fd, in, sizeof in);
    if (got < 0 && errno == EAGAIN)
        return;
    size_t out = 0;
    for (ssize_t i = 0; i < got; i++) {
        if (!carried[fd]) {
            if (in[i] != 2) {
                got = 0; // this floor speaks 0x02 only
                break;
            }
            carried[fd] = 1;
            continue;
        }
        carried[fd] = 0;
        if (out > sizeof reply - 255)
            break;
        take(reply + out, in[i]);
        out += in[i];
    }
    if (got <= 0 || (out && write(fd, reply, out) != (ssize_t)out))
        close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floor DIR N\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int epoll = epoll_create1(0);
    for (int i = 0; i < atoi(argv[2]); i++)
        listen_at(epoll, argv[1], i);
    puts("ready");
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (listening[fd])
                accept_all(epoll, fd);
            else
                serve(fd);
        }
    }
}
