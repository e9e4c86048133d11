// How a batch of sinkhorn_adjoint is laid out on a device; on the host, and the same under emulation.
#pragma once

#include "plan.cuh"
#include "sinkhorn_adjoint_system.cuh"

#include <algorithm>

namespace otseg {

constexpr int64_t MOST_CHUNKS = 256;

// Blocks and dynamic shared memory of every launch, in their order, and the layout of the work memory.
struct AdjointPlan {
  struct Launch {
    int64_t blocks;
    size_t memory;
  } sums, columns, product, matrix, solve, gradient, finish;
  int chunks, square;
  int64_t chunk_rows;
  bool shared_matrix;
  size_t of_rows, of_chunks, of_columns, system, parts;  // bytes
  size_t bytes() const { return 2 * of_rows + 2 * of_chunks + 2 * of_columns + system + parts; }
};

// Rows of a chunk depend on K alone while the chunks are few: then padding changes no bit. The products of all chunks
// take at most half of the memory of the scores, whatever K is.
template <class T>
AdjointPlan plan_adjoint(int64_t problems, int64_t n, int64_t k, const Device& device) {
  AdjointPlan plan = {};
  plan.chunk_rows = std::max<int64_t>(128, divide_up(4 * k, 32) * 32);
  plan.chunk_rows = std::max(plan.chunk_rows, divide_up(divide_up(n, MOST_CHUNKS), 32) * 32);
  plan.chunks = int(divide_up(n, plan.chunk_rows));
  plan.square = k <= 16 ? 16 : k <= 32 ? 32 : 64;
  const int64_t blocks = problems * plan.chunks, squares = divide_up(k, plan.square), size = k * (k + 1);
  const size_t tile = size_t(TILE_ROWS<T>) * tile_stride(int(k)), doubles = 64 * sizeof(double);
  const size_t merged = 2 * ADJOINT_THREADS * sizeof(T);
  plan.sums = {blocks, std::max(merged, (tile + k + TILE_ROWS<T>) * sizeof(T))};
  plan.columns = {problems, 0};
  plan.product = {blocks * squares * squares, TILE_ROWS<T> * (2 * (size_t(plan.square) + 1) + 1) * sizeof(T)};
  plan.matrix = {problems * divide_up(size, ADJOINT_THREADS), 0};
  const size_t around = (2 * size_t(k) + 1) * sizeof(double), whole = size_t(k) * tile_stride(int(k)) * sizeof(double);
  plan.shared_matrix = around + whole <= device.shared;
  plan.solve = {problems, around + (plan.shared_matrix ? whole : 0)};
  plan.gradient = {blocks, doubles + ADJOINT_THREADS * sizeof(double) + (2 * tile + 4 * k) * sizeof(T)};
  plan.finish = {problems, doubles};
  const auto bytes = [](size_t count, size_t each) { return (count * each + 15) / 16 * 16; };
  plan.of_rows = bytes(problems * n, sizeof(T));
  plan.of_chunks = bytes(blocks * k, sizeof(T));
  plan.of_columns = bytes(problems * k, sizeof(double));
  plan.system = bytes(blocks * size, sizeof(double));
  plan.parts = bytes(blocks * (k + 1), sizeof(double));
  return plan;
}

// The arguments of the kernels from the plan; `work` has plan.bytes().
template <class T>
void apply(const AdjointPlan& plan, unsigned char* work, Adjoint<T>& args) {
  const auto take = [&work](size_t bytes) {
    unsigned char* part = work;
    work += bytes;
    return part;
  };
  args.chunks = plan.chunks;
  args.chunk_rows = plan.chunk_rows;
  args.shared_matrix = plan.shared_matrix;
  args.row_peak = reinterpret_cast<T*>(take(plan.of_rows));
  args.row_total = reinterpret_cast<T*>(take(plan.of_rows));
  args.chunk_peak = reinterpret_cast<T*>(take(plan.of_chunks));
  args.chunk_total = reinterpret_cast<T*>(take(plan.of_chunks));
  args.column_peak = reinterpret_cast<double*>(take(plan.of_columns));
  args.column_total = reinterpret_cast<double*>(take(plan.of_columns));
  args.system = reinterpret_cast<double*>(take(plan.system));
  args.parts = reinterpret_cast<double*>(take(plan.parts));
}

// Call `launch(kernel, blocks, memory)` for all kernels in their order.
template <class T, class Launcher>
void launch_adjoint(const AdjointPlan& plan, const Launcher& launch) {
  const auto run = [&launch](auto* kernel, const AdjointPlan::Launch& how) { launch(kernel, how.blocks, how.memory); };
  run(&adjoint_sums_kernel<T>, plan.sums);
  run(&adjoint_columns_kernel<T>, plan.columns);
  switch (plan.square) {
    case 16: run(&adjoint_product_kernel<T, 16>, plan.product); break;
    case 32: run(&adjoint_product_kernel<T, 32>, plan.product); break;
    default: run(&adjoint_product_kernel<T, 64>, plan.product);
  }
  run(&adjoint_matrix_kernel<T>, plan.matrix);
  run(&adjoint_solve_kernel<T>, plan.solve);
  run(&adjoint_gradient_kernel<T>, plan.gradient);
  run(&adjoint_finish_kernel<T>, plan.finish);
}

}  // namespace otseg
