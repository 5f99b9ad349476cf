/* The floor of the worklist: replays the bytes our listener once sent, as fast as a C program can.
 *
 * replay PORT RECORDING: one thread, epoll, non-blocking sockets. An association request is answered
 * with the recorded acceptance, the last fragment of a data set with the recorded answer, a release
 * with a release. It knows no more of DICOM than where a PDU ends (PS3.8 9.3).
 *
 * RECORDING: length of the acceptance (4 bytes, most significant first), acceptance, answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 16, EVENTS = 256, HEADER = 6 };
enum { ASSOCIATE_RQ = 1, P_DATA = 4, RELEASE_RQ = 5, ABORT = 7 };

struct line {
    int socket;
    size_t held;              /* bytes of an incomplete PDU */
    const unsigned char *out; /* what is still to be sent */
    size_t left;
    unsigned char in[ROOM];
};

static unsigned char *accept_bytes, *answer_bytes;
static size_t accept_size, answer_size;
static const unsigned char release[] = {6, 0, 0, 0, 0, 4, 0, 0, 0, 0};
static int poll_set;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(size > 0 ? (size_t)size : 1);
    if (!bytes || size < 4 || fread(bytes, 1, (size_t)size, file) != (size_t)size) fail("read");
    fclose(file);
    accept_size = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    if (accept_size > (size_t)size - 4) fail("recording");
    accept_bytes = bytes + 4;
    answer_bytes = accept_bytes + accept_size;
    answer_size = (size_t)size - 4 - accept_size;
}

static void watch(struct line *line, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = line};
    epoll_ctl(poll_set, how, line->socket, &event);
}

static int flush(struct line *line) {
    while (line->left) {
        ssize_t sent = send(line->socket, line->out, line->left, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        line->out += sent;
        line->left -= (size_t)sent;
    }
    return 0;
}

static int say(struct line *line, const unsigned char *bytes, size_t size) {
    /* One request at a time: what was said before has been read. */
    line->out = bytes;
    line->left = size;
    if (flush(line)) return -1;
    if (line->left) watch(line, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    return 0;
}

static int hear(struct line *line) {
    int one = 1;
    ssize_t got = recv(line->socket, line->in + line->held, ROOM - line->held, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    setsockopt(line->socket, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    size_t end = line->held + (size_t)got, at = 0;
    while (end - at >= HEADER) {
        const unsigned char *pdu = line->in + at;
        size_t size = HEADER + ((size_t)pdu[2] << 24 | (size_t)pdu[3] << 16 | (size_t)pdu[4] << 8 | pdu[5]);
        if (size > ROOM) return -1;
        if (end - at < size) break;
        if (pdu[0] == ASSOCIATE_RQ && say(line, accept_bytes, accept_size)) return -1;
        if (pdu[0] == RELEASE_RQ && say(line, release, sizeof release)) return -1;
        if (pdu[0] == ABORT) return -1;
        if (pdu[0] == P_DATA)
            for (size_t value = HEADER; value + 6 <= size;) {
                size_t length = (size_t)pdu[value] << 24 | (size_t)pdu[value + 1] << 16 |
                                (size_t)pdu[value + 2] << 8 | pdu[value + 3];
                if ((pdu[value + 5] & 3) == 2 && say(line, answer_bytes, answer_size)) return -1;
                value += 4 + length;
            }
        at += size;
    }
    line->held = end - at;
    memmove(line->in, line->in + at, line->held);
    return 0;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: replay PORT RECORDING\n");
        return 2;
    }
    load(words[2]);
    int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 512))
        fail("listen");
    poll_set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_set, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_set, events, EVENTS, -1);
        for (int index = 0; index < ready; index++) {
            struct line *line = events[index].data.ptr;
            if (!line) {
                int accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
                if (accepted < 0 || !(line = calloc(1, sizeof *line))) continue;
                line->socket = accepted;
                watch(line, EPOLLIN, EPOLL_CTL_ADD);
                continue;
            }
            int over = 0;
            if (events[index].events & EPOLLOUT) {
                over = flush(line);
                if (!over && !line->left) watch(line, EPOLLIN, EPOLL_CTL_MOD);
            }
            if (!over && events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) over = hear(line);
            if (over) {
                close(line->socket);
                free(line);
            }
        }
    }
}
