#include "stores/shelves.hpp"

#include <new>
#include <utility>

namespace coppice {
inline namespace v0 {
namespace detail {

// No exchange where nothing hangs: it would take the line from whoever hangs something there.
shelves::block* shelves::shelf::take() noexcept {
  if (chain.load(memory_order_relaxed) == nullptr) return nullptr;
  // order(shelf): acquire; pairs with the release in hang().
  return chain.exchange(nullptr, memory_order_acquire);
}

bool shelves::shelf::hang(block* b) noexcept {
  block* nothing = nullptr;
  // order(shelf): release; pairs with the acquire in take().
  return chain.load(memory_order_relaxed) == nullptr &&
         chain.compare_exchange_strong(nothing, b, memory_order_release, memory_order_relaxed);
}

bool shelves::hang(unsigned home, block* chain) noexcept {
  for (unsigned i = 0; i < number; ++i)
    if (at(home + i).hang(chain)) return true;
  return false;
}

shelves::block* shelves::add(block* chain, void* memory) noexcept {
  return ::new (memory) block{chain, chain != nullptr ? chain->length + 1 : 1};
}

void shelves::free(block* chain) noexcept {
  while (chain != nullptr) ::operator delete(std::exchange(chain, chain->next));
}

void* shelves::take(unsigned home) noexcept {
  for (unsigned i = 0; i < number; ++i) {
    block* const b = at(home + i).take();
    if (b == nullptr) continue;
    if (b->next != nullptr && !hang(home, b->next)) free(b->next);
    return b;
  }
  return nullptr;
}

void shelves::give(unsigned home, void* memory) noexcept {
  block* chain = at(home).take();
  if (chain != nullptr && chain->length == longest_chain) {
    // A full one makes room for a new one here, if there is another place for it.
    if (!hang(home + 1, chain)) free(chain);
    chain = nullptr;
  }
  block* const b = add(chain, memory);
  if (!hang(home, b)) free(b);
}

void shelves::give(unsigned home, collection& mine, void* memory) noexcept {
  if (mine.chain_ != nullptr && mine.chain_->length == longest_chain) {
    if (!hang(home, mine.chain_)) return ::operator delete(memory);
    mine.chain_ = nullptr;
  }
  mine.chain_ = add(mine.chain_, memory);
}

void* shelves::collection::take() noexcept {
  block* const b = chain_;
  if (b != nullptr) chain_ = b->next;
  return b;
}

void shelves::clear() noexcept {
  for (shelf& s : shelves_) free(s.take());
}

}  // namespace detail
}  // namespace v0
}  // namespace coppice
