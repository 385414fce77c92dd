// What one thread does of a program: its share of each operation, in buffers that all threads have or each for itself.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include "kernels.h"
#include "threads.h"

const Kernels& kernels();  // of this processor

namespace {

constexpr size_t HUGE_PAGE = 1 << 21;
constexpr int BUFFERS = 16;    // of a program at most
int64_t padded(int64_t k) { return (k + 63) / 64 * 64; }

// Memory of a thread of the caller's, kept from call to call.
struct Workspace {
  char* memory = nullptr;
  size_t size = 0;
  ~Workspace() { std::free(memory); }
  char* need(size_t bytes) {
    if (bytes > size) {
      std::free(memory);
      size = 0;
      const size_t page = bytes < HUGE_PAGE ? 4096 : HUGE_PAGE, whole = (bytes + page - 1) / page * page;
      memory = static_cast<char*>(std::aligned_alloc(page, whole));
      if (memory) size = whole;
#if defined(MADV_HUGEPAGE)
      if (memory && page == HUGE_PAGE) madvise(memory, whole, MADV_HUGEPAGE);
#endif
    }
    return memory;
  }
};

// Lays things out one behind the other: first without memory, to learn how much is needed.
struct Layout {
  char* base;
  size_t used = 0;
  template <class T> T* take(size_t count) {
    T* p = reinterpret_cast<T*>(base + used);
    used += (count * sizeof(T) + 63) / 64 * 64;
    return base ? p : nullptr;
  }
  std::atomic<int>* counters(size_t count) {
    std::atomic<int>* found = take<std::atomic<int>>(count);
    if (found) std::memset(static_cast<void*>(found), 0, sizeof(*found) * count);
    return found;
  }
  Quantised quantised(int64_t rows, int64_t width) {
    Quantised q{};
    q.codes = take<int8_t>(rows * width);
    q.scales = take<float>(rows * (width / FINE_GROUP));
    q.sums = take<float>(rows * (width / FINE_GROUP));
    q.begins = take<int32_t>(rows * (width / FINE_GROUP));
    return q;
  }
};

// The parts of an operation. Each thread takes those of its own stretch, in their order, so that it reads weights as one
// stream; then what is left of the others'.
struct Deal {
  std::atomic<int>* next;  // of each thread's stretch
  int id, count;
  bool all;  // this thread does all parts, for itself
  template <class F> void operator()(int parts, const F& f) const {
    if (all) {
      for (int i = 0; i < parts; i++) f(i);
      return;
    }
    for (int t = 0; t < count; t++) {
      const int whose = (id + t) % count, begin = parts * whose / count, end = parts * (whose + 1) / count;
      for (int i; (i = begin + next[whose].fetch_add(1, std::memory_order_relaxed)) < end;) f(i);
    }
  }
};

int chunk_of(int n, int threads, int64_t rows) {  // columns of a matrix that are one part: a multiple of 32, as panels are
  const int most = rows > 256 ? 32 : rows > 16 ? 128 : 256;
  return std::min(most, std::max(32, (n / (threads * 8) + 31) / 32 * 32));
}

void multiply(const Deal& deal, const Matrix& m, const float* x, int64_t ldx, const Quantised* q, float* y, int64_t ldy, int64_t rows, int act, int add) {
  const int chunk = chunk_of(m.n, deal.count, rows);
  deal((m.n + chunk - 1) / chunk, [&](int i) {
    kernels().linear(&m, x, ldx, q, y, ldy, rows, i * chunk, std::min(m.n, (i + 1) * chunk), act, add);
  });
}

constexpr int FEW = 2;  // rows that are sooner made by each thread for itself than by one for all

// What one thread does in a call: its buffers are those of all threads, but for a few rows where it has some for itself.
struct Worker {
  const Program& program;
  const Call& call;
  float* buffers[BUFFERS];
  Quantised q;  // follows the width and group of the last OP_QUANTISE
  float* scratch;

  void run(std::atomic<int>* counters, int id, int count, Pool::Barrier& barrier) {
    const bool few = call.rows <= FEW;
    for (int i = 0; i < program.op_count; i++) {
      const Op& op = program.ops[i];
      const bool mine = few && op.own;
      step(op, Deal{counters + static_cast<int64_t>(i) * count, id, count, mine});
      if (op.sync && !mine && !fused(op)) barrier.wait(count);
    }
  }

  // Whether OP_ATTEND turns and stores what it reads: of texts of one row each, whose heads are one part each.
  bool whole(const Op& op) const { return call.caches && call.rows == call.texts && op.heads <= op.kv_heads * QUERY_BLOCK; }
  bool fused(const Op& op) const { return (op.kind == OP_ROTATE || op.kind == OP_STORE) && whole(op); }

  void step(const Op& op, const Deal& deal) {
    if (fused(op)) return;
    const Kernels& k = kernels();
    const int64_t rows = call.rows, ls = program.widths[op.src], ld = program.widths[op.dst];
    float* src = buffers[op.src] + op.src_column;
    float* dst = buffers[op.dst] + op.dst_column;
    switch (op.kind) {
      case OP_EMBED:
        deal(static_cast<int>(rows), [&](int r) { embed(op, r, dst + r * ld); });
        break;
      case OP_NORM:
        deal(static_cast<int>(rows), [&](int r) {
          for (int c = 0; c < op.count; c++)
            k.norm(src + r * ls + c * op.width, dst + r * ld + c * op.width, op.width, op.weight, op.bias, op.epsilon, op.norm, op.accumulate);
        });
        break;
      case OP_QUANTISE:
        q.width = padded(op.width);
        q.group = op.matrix.kind == MATRIX_INT8 && !call.caches ? WIDE_GROUP : FINE_GROUP;
        deal(static_cast<int>(rows), [&](int r) { k.quantise(src + r * ls, op.count ? src + r * ls + op.count : nullptr, op.width, op.act, &q, r); });
        break;
      case OP_LINEAR:
        multiply(deal, op.matrix, src, ls, &q, dst, ld, rows, op.act, op.accumulate);
        break;
      case OP_ROTATE:
        deal(static_cast<int>(rows), [&](int r) { rotate(op, r, dst + r * ld, op.count); });
        break;
      case OP_STORE:
        if (call.caches) deal(call.texts, [&](int t) { store(op, t, src, ls, 0, op.kv_heads); });
        break;
      case OP_ATTEND:
        attend(op, deal, src, ls, dst, ld);
        break;
      case OP_GATE:
        deal(static_cast<int>(rows), [&](int r) { k.gate(src + r * ls, src + r * ls + op.width, dst + r * ld, op.width, op.act); });
        break;
    }
  }

  // A row of the table of tokens, and one of the table of positions.
  void embed(const Op& op, int row, float* x) const {
    const Matrix& m = op.matrix;
    const int64_t id = call.tokens[row];
    const float* position = op.weight ? op.weight + static_cast<int64_t>(call.positions[row]) * m.k : nullptr;
    const float* plain = static_cast<const float*>(m.weight) + id * m.k;
    const uint8_t* codes = static_cast<const uint8_t*>(m.weight) + id / 16 * 16 * padded(m.k) + id % 16 * 4;
    for (int c = 0; c < m.k; c++) {
      const float w = m.kind == MATRIX_F32 ? plain[c] : (codes[c / 4 * 64 + c % 4] - 128) * m.scale[id];
      x[c] = w * op.scale + (position ? position[c] : 0.0f);
    }
  }

  void rotate(const Op& op, int row, float* heads, int count) const {
    if (!call.angles) return;
    const Angles& a = call.angles[call.many_angles ? op.layer : 0];
    const int64_t place = (call.positions ? call.positions[row] : row) * a.width;
    if (a.cos) kernels().rotate(heads, count, op.width, a.cos + place, a.sin + place, a.width);
  }

  // Keys and values of a text's rows, which stand behind its queries, into the cache: heads h0...h1-1.
  void store(const Op& op, int text, const float* src, int64_t ls, int h0, int h1) const {
    const Cache& cache = call.caches[op.layer];
    const int c = op.width, rows = call.starts[text + 1] - call.starts[text];
    for (int r = 0; r < rows; r++)
      for (int h = h0; h < h1; h++) {
        const float* key = src + (call.starts[text] + r) * ls + (op.heads + h) * c;
        const int64_t place = text * cache.batch_stride + h * cache.head_stride + (cache.past + r) * cache.key_stride;
        std::memcpy(cache.keys + place, key, 4 * c);
        std::memcpy(cache.values + place, key + op.kv_heads * c, 4 * c);
      }
  }

  void attend(const Op& op, const Deal& deal, float* src, int64_t ls, float* dst, int64_t ld) const {
    const int c = op.width, group = op.heads / op.kv_heads;
    auto queries = [&](int text) { return (call.starts[text + 1] - call.starts[text]) * group; };
    auto blocks = [&](int text) { return std::max(1, (queries(text) + QUERY_BLOCK - 1) / QUERY_BLOCK); };
    int most = 1;
    for (int t = 0; t < call.texts; t++) most = std::max(most, blocks(t));
    deal(call.texts * op.kv_heads * most, [&](int part) {
      const int text = part / (op.kv_heads * most), head = part / most % op.kv_heads, row = call.starts[text];
      const int all = queries(text), size = (all + blocks(text) - 1) / blocks(text);
      const int i0 = part % most * size, i1 = std::min(i0 + size, all);
      if (i0 >= i1) return;
      if (whole(op)) {
        rotate(op, row, src + row * ls + head * group * c, group);
        rotate(op, row, src + row * ls + (op.heads + head) * c, 1);
        store(op, text, src, ls, head, head + 1);
      }
      const float *rows = src + row * ls, *keys = rows + (op.heads + head) * c, *values = keys + op.kv_heads * c;
      int64_t stride = ls;
      if (call.caches) {
        const Cache& cache = call.caches[op.layer];
        const int64_t place = text * cache.batch_stride + head * cache.head_stride;
        keys = cache.keys + place, values = cache.values + place, stride = cache.key_stride;
      }
      const Spans& of = call.spans[call.many_spans ? op.layer : 0];
      const Spans spans{of.first + row, of.last + row};
      kernels().attend(&op, &spans, rows + head * group * c, ls, keys, values, stride, i0, i1, dst + row * ld + head * group * c, ld, scratch);
    });
  }
};

}  // namespace
