// Bytes per second that `threads` threads read from memory together: the limit of batch-1 decoding.
//
//     cc -O3 -march=native -pthread bandwidth.c -o bandwidth && ./bandwidth THREADS MEGABYTES ROUNDS
//
// Prints one number per round, in bytes per second. Every thread sums its own part of one array, far larger than the caches.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LANES = 64 };  // independent sums, so that loads and not additions are waited for

typedef struct {
    const uint64_t *words;
    size_t count;
    uint64_t sum;
    pthread_barrier_t *barrier;
    int rounds;
} Part;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void *read_part(void *argument) {
    Part *part = argument;
    for (int round = 0; round < part->rounds; round++) {
        uint64_t sums[LANES] = {0};
        pthread_barrier_wait(part->barrier);
        for (size_t i = 0; i < part->count; i += LANES)
            for (int lane = 0; lane < LANES; lane++) sums[lane] += part->words[i + lane];
        for (int lane = 0; lane < LANES; lane++) part->sum += sums[lane];
        pthread_barrier_wait(part->barrier);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int threads = atoi(argv[1]), rounds = atoi(argv[3]) + 1;
    size_t share = (size_t)atol(argv[2]) * 1024 * 1024 / threads / 4096 * 4096;
    if (threads < 1 || rounds < 2 || share == 0) return 2;
    uint64_t *words = aligned_alloc(4096, share * threads);
    Part *parts = calloc(threads, sizeof *parts);
    pthread_t *ids = calloc(threads, sizeof *ids);
    if (!words || !parts || !ids) return 1;
    for (size_t i = 0; i < share * threads / 8; i++) words[i] = i;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (int t = 0; t < threads; t++) {
        parts[t] = (Part){words + share / 8 * t, share / 8, 0, &barrier, rounds};
        if (pthread_create(&ids[t], NULL, read_part, &parts[t])) return 1;
    }
    for (int round = 0; round < rounds; round++) {
        pthread_barrier_wait(&barrier);
        double start = now();
        pthread_barrier_wait(&barrier);
        if (round > 0) printf("%.0f\n", share * threads / (now() - start));  // the first fills page tables
    }
    uint64_t sum = 0;
    for (int t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        sum += parts[t].sum;
    }
    return sum == 1 ? 3 : 0;  // the sum is used, so the reads are not left out
}
