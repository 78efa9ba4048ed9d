/* The native floor of data set A: fetch, sign, prove the MD5, inflate, check the JSON, hash, write and rename.
 *
 * native_floor HOST PORT BUCKET INDEX DESTINATION THREADS; INDEX has a line "KEY ETAG" for each object. One connection
 * a thread, kept alive. Built by native_floor.py with -lz -lcrypto -lpthread; exits 1 at the first fault.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static const char *host, *bucket, *destination;
static int port, count;
static char **keys, **etags;
static atomic_int next_object;
static char signing_date[9];
static unsigned char signing_key[32];

static void fail(const char *what, const char *which) {
    fprintf(stderr, "%s: %s (%s)\n", what, which, strerror(errno));
    _exit(1);
}

static void hex(const unsigned char *bytes, int length, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * length] = 0;
}

static void hmac(const void *key, int key_length, const char *text, unsigned char *out) {
    unsigned length;
    HMAC(EVP_sha256(), key, key_length, (const unsigned char *)text, strlen(text), out, &length);
}

static void derive_key(void) {
    char start[200];
    unsigned char key[32];
    snprintf(start, sizeof start, "AWS4%s", getenv("AWS_SECRET_ACCESS_KEY"));
    hmac(start, strlen(start), signing_date, key);
    hmac(key, 32, "us-east-1", key);
    hmac(key, 32, "s3", key);
    hmac(key, 32, "aws4_request", signing_key);
}

/* Write a signed GET request; return its length. The keys of the data set need no escaping. */
static int sign(const char *key, char *request, size_t size) {
    char when[17], canonical[1500], to_sign[400], digest[65], signature[65];
    unsigned char bytes[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    const char *nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    snprintf(canonical, sizeof canonical,
             "GET\n/%s/%s\n\nhost:%s:%d\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
             "host;x-amz-content-sha256;x-amz-date\n%s",
             bucket, key, host, port, nothing, when, nothing);
    EVP_Digest(canonical, strlen(canonical), bytes, NULL, EVP_sha256(), NULL);
    hex(bytes, 32, digest);
    snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s/us-east-1/s3/aws4_request\n%s", when, signing_date,
             digest);
    hmac(signing_key, 32, to_sign, bytes);
    hex(bytes, 32, signature);
    return snprintf(request, size,
                    "GET /%s/%s HTTP/1.1\r\nhost: %s:%d\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
                    "authorization: AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/s3/aws4_request, "
                    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s\r\n\r\n",
                    bucket, key, host, port, when, nothing, getenv("AWS_ACCESS_KEY_ID"), signing_date, signature);
}

/* Buffers of one thread, grown as needed. */
struct buffer {
    unsigned char *bytes;
    size_t size, length;
};

static void reserve(struct buffer *buffer, size_t size) {
    if (size > buffer->size) {
        buffer->size = size * 2;
        buffer->bytes = realloc(buffer->bytes, buffer->size);
    }
}

static int dial(void) {
    int line = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(line, (struct sockaddr *)&address, sizeof address)) fail("connect", host);
    return line;
}

/* Fetch one object; its body starts at the returned offset. */
static size_t fetch(int line, const char *key, struct buffer *answer) {
    char request[2500];
    int length = sign(key, request, sizeof request);
    if (write(line, request, length) != length) fail("send", key);
    answer->length = 0;
    unsigned char *end = NULL;
    size_t body = 0, whole = SIZE_MAX;
    while (answer->length < whole) {
        reserve(answer, answer->length + 65536);
        ssize_t got = read(line, answer->bytes + answer->length, answer->size - answer->length - 1);
        if (got <= 0) fail("receive", key);
        answer->length += got;
        answer->bytes[answer->length] = 0;
        if (!end && (end = memmem(answer->bytes, answer->length, "\r\n\r\n", 4))) {
            char *field = strcasestr((char *)answer->bytes, "\r\ncontent-length:");
            if (memcmp(answer->bytes, "HTTP/1.1 200", 12) || !field) fail("answer", key);
            body = end + 4 - answer->bytes;
            whole = body + strtoull(field + 17, NULL, 10);
        }
    }
    return body;
}

static void inflate_whole(const unsigned char *body, size_t length, struct buffer *content, z_stream *stream) {
    if (length < 2 || body[0] != 0x1f || body[1] != 0x8b) {
        reserve(content, length + 1);
        memcpy(content->bytes, body, content->length = length);
        return;
    }
    inflateReset(stream);
    stream->next_in = (unsigned char *)body;
    stream->avail_in = length;
    content->length = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        reserve(content, content->length + 131072);
        stream->next_out = content->bytes + content->length;
        stream->avail_out = content->size - content->length;
        status = inflate(stream, Z_NO_FLUSH);
        content->length = stream->next_out - content->bytes;
    }
    if (status != Z_STREAM_END) fail("inflate", "");
}

/* Strict JSON: return the position after the value, or NULL. Depth is bounded; UTF-8 is checked in strings. */
static const unsigned char *space(const unsigned char *at, const unsigned char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
    return at;
}

static const unsigned char *text(const unsigned char *at, const unsigned char *end) {
    for (at++; at < end;) {
        unsigned char c = *at;
        if (c == '"') return at + 1;
        if (c == '\\') {
            if (end - at < 2 || !strchr("\"\\/bfnrtu", at[1])) return NULL;
            at += at[1] == 'u' ? 6 : 2;
        } else if (c < 0x20) {
            return NULL;
        } else if (c < 0x80) {
            at++;
        } else {
            int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;
            if (more < 0 || end - at <= more) return NULL;
            for (at++; more--; at++)
                if ((*at & 0xc0) != 0x80) return NULL;
        }
    }
    return NULL;
}

static const unsigned char *value(const unsigned char *at, const unsigned char *end, int depth) {
    at = space(at, end);
    if (at >= end || depth > 1000) return NULL;
    if (*at == '"') return text(at, end);
    if (*at == '{' || *at == '[') {
        int is_object = *at == '{';
        unsigned char close = is_object ? '}' : ']';
        at = space(at + 1, end);
        if (at < end && *at == close) return at + 1;
        for (;;) {
            if (is_object) {
                at = space(at, end);
                if (at >= end || *at != '"' || !(at = text(at, end))) return NULL;
                at = space(at, end);
                if (at >= end || *at++ != ':') return NULL;
            }
            if (!(at = value(at, end, depth + 1))) return NULL;
            at = space(at, end);
            if (at >= end) return NULL;
            if (*at == close) return at + 1;
            if (*at++ != ',') return NULL;
        }
    }
    if (end - at >= 4 && (!memcmp(at, "true", 4) || !memcmp(at, "null", 4))) return at + 4;
    if (end - at >= 5 && !memcmp(at, "false", 5)) return at + 5;
    const unsigned char *start = at;
    while (at < end && strchr("+-0123456789.eE", *at)) at++;
    return at > start ? at : NULL;
}

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* XXH64 without a seed: a digest of the class of the one the program records. */
static uint64_t xxh64(const unsigned char *at, size_t length) {
    const uint64_t p1 = 11400714785074694791u, p2 = 14029467366897019727u, p3 = 1609587929392839161u,
                   p4 = 9650029242287828579u, p5 = 2870177450012600261u;
    const unsigned char *end = at + length;
    uint64_t hash = p5, lanes[4] = {p1 + p2, p2, 0, -p1}, word;
    if (length >= 32) {
        for (; end - at >= 32; at += 32)
            for (int i = 0; i < 4; i++) {
                memcpy(&word, at + 8 * i, 8);
                lanes[i] = rotate(lanes[i] + word * p2, 31) * p1;
            }
        hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (int i = 0; i < 4; i++) hash = (hash ^ rotate(lanes[i] * p2, 31) * p1) * p1 + p4;
    }
    hash += length;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        hash = rotate(hash ^ rotate(word * p2, 31) * p1, 27) * p1 + p4;
    }
    for (; at < end; at++) hash = rotate(hash ^ *at * p5, 11) * p1;
    hash = (hash ^ hash >> 33) * p2;
    hash = (hash ^ hash >> 29) * p3;
    return hash ^ hash >> 32;
}

static void *work(void *number) {
    struct buffer answer = {0}, content = {0};
    z_stream stream = {0};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int line = dial(), object;
    uint64_t hashes = 0;
    inflateInit2(&stream, 31);
    while ((object = atomic_fetch_add(&next_object, 1)) < count) {
        const char *key = keys[object];
        size_t start = fetch(line, key, &answer), length = answer.length - start;
        unsigned char md5[16];
        char shown[33], path[1500], temporary[1500];
        EVP_DigestInit_ex(digest, EVP_md5(), NULL);
        EVP_DigestUpdate(digest, answer.bytes + start, length);
        EVP_DigestFinal_ex(digest, md5, NULL);
        hex(md5, 16, shown);
        if (strcmp(shown, etags[object])) fail("MD5", key);
        inflate_whole(answer.bytes + start, length, &content, &stream);
        const unsigned char *end = content.bytes + content.length, *after = value(content.bytes, end, 0);
        if (!after || space(after, end) != end) fail("JSON", key);
        hashes ^= xxh64(content.bytes, content.length);
        int stem = strlen(key);
        if (stem > 3 && !strcmp(key + stem - 3, ".gz")) stem -= 3;
        snprintf(path, sizeof path, "%s/%.*s", destination, stem, key);
        for (char *slash = path + strlen(destination) + 1; (slash = strchr(slash, '/'));) *slash = '-';
        snprintf(temporary, sizeof temporary, "%s/.tmp-%ld-%d", destination, (long)number, object);
        int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (file < 0 || write(file, content.bytes, content.length) != (ssize_t)content.length) fail("write", temporary);
        close(file);
        if (rename(temporary, path)) fail("rename", path);
    }
    close(line);
    return (void *)(uintptr_t)hashes;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    host = argv[1], port = atoi(argv[2]), bucket = argv[3], destination = argv[5];
    int threads = atoi(argv[6]);
    FILE *index = fopen(argv[4], "r");
    if (!index) fail("open", argv[4]);
    char key[1025], etag[65];
    while (fscanf(index, "%1024s %64s", key, etag) == 2) {
        keys = realloc(keys, (count + 1) * sizeof *keys);
        etags = realloc(etags, (count + 1) * sizeof *etags);
        keys[count] = strdup(key), etags[count++] = strdup(etag);
    }
    fclose(index);
    time_t now = time(NULL);
    struct tm utc;
    strftime(signing_date, sizeof signing_date, "%Y%m%d", gmtime_r(&now, &utc));
    derive_key();
    pthread_t *started = calloc(threads, sizeof *started);
    for (long i = 0; i < threads; i++) pthread_create(&started[i], NULL, work, (void *)i);
    for (int i = 0; i < threads; i++) pthread_join(started[i], NULL);
    return 0;
}
