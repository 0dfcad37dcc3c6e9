#include "streams/bystander.hpp"

namespace fuzz::streams {

namespace {

bool has_work(const plan& p) {
  if (!p.resizes.empty()) return true;
  for (const stream& s : p.streams)
    if (s.cancelled_after != nothing) return true;
  return false;
}

}  // namespace

bystander::bystander(const plan& p, world& on, observation& seen)
    : plan_(p), on_(on), seen_(seen), streams_(p.streams.size()) {
  if (has_work(p)) thread_ = std::thread([this] { watch(); });
}

bystander::~bystander() {
  over_.store(true, std::memory_order_relaxed);
  something_happened();
  if (thread_.joinable()) thread_.join();
  for (const resizing& r : plan_.resizes) on_.resize(r.where, on_.workers_of(r.where, plan_));
}

// A counter of news, so that what happens between a look and the wait is not missed.
void bystander::something_happened() {
  news_.fetch_add(1, std::memory_order_release);
  news_.notify_one();
}

void bystander::function_begins(std::uint32_t stream) {
  streams_[stream].begun.fetch_add(1, std::memory_order_relaxed);
  begun_.fetch_add(1, std::memory_order_relaxed);
  something_happened();
}

void bystander::offer(std::uint32_t stream, coppice::results<item>& from) {
  {
    const std::lock_guard hold(lock_);
    streams_[stream].open = &from;
  }
  something_happened();
}

void bystander::withdraw(std::uint32_t stream) {
  const std::lock_guard hold(lock_);
  streams_[stream].open = nullptr;
}

void bystander::watch() {
  while (!over_.load(std::memory_order_relaxed)) {
    const std::uint32_t known = news_.load(std::memory_order_acquire);
    const bool cancelled = cancel_what_is_due();
    if (resize_what_is_due() || cancelled) continue;
    if (!over_.load(std::memory_order_relaxed)) news_.wait(known, std::memory_order_acquire);
  }
}

bool bystander::cancel_what_is_due() {
  bool did = false;
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    watched& w = streams_[i];
    if (w.done || w.begun.load(std::memory_order_relaxed) < plan_.streams[i].cancelled_after) continue;
    const std::lock_guard hold(lock_);
    if (w.open == nullptr) continue;
    seen_.streams[i].cancelled_outside = w.open->cancel(bystanders_reason);
    did = w.done = true;
  }
  return did;
}

bool bystander::resize_what_is_due() {
  const auto& all = plan_.resizes;
  if (resized_ == all.size() || begun_.load(std::memory_order_relaxed) < all[resized_].after) return false;
  on_.resize(all[resized_].where, all[resized_].workers);
  ++resized_;
  return true;
}

}  // namespace fuzz::streams
