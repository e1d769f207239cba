#include <sheaf/detail/map_state.hpp>

#include <exception>
#include <utility>

namespace sheaf::detail {

map_state::map_state(loop_core& l, const join_policy& policy, const map_sizes& n)
    : join_state(l, policy),
      places_(n.places),
      elements_(n.elements),
      links_(new join_link[n.places]),
      rows_(new std::size_t[n.places]),
      context_(l) {
  set_links(links_.get());
  time_starts(n.places);
  log_.keep(n.reports);
}

void map_state::refill() noexcept {
  take_ended();
  while (wants_more() && has_room()) {
    make_next();
    take_ended();
  }
}

void map_state::make_next() noexcept {
  bool more = true;
  try {
    more = context_([this] { return advance(); });
  } catch (...) {
    return put_failed(true);
  }
  if (!more) return close_supply();
  try {
    const auto place = free_ ? place_of(*free_) : size();
    put_next(context_([&] { return make(place); }));
  } catch (...) {
    put_failed(false);
  }
}

void map_state::put_failed(bool whole) noexcept {
  join_link& l = take_place();
  put_late(l, failed_child(loop(), std::current_exception()));
  if (whole) fail_with(l);
}

void map_state::put_next(state_ref child) noexcept {
  put_late(take_place(), std::move(child));
}

join_link& map_state::take_place() noexcept {
  join_link& l = free_ ? *std::exchange(free_, free_->ended.next) : next_link();
  rows_[place_of(l)] = made_++;
  return l;
}

// Once it has failed nothing is taken any more: what there is is for the table.
void map_state::take_ended() noexcept {
  while (open()) {
    join_link* const l = take_end();
    if (!l) return;
    take_one(*l);
  }
}

void map_state::take_one(join_link& l) noexcept {
  const auto child = state_ref::adopt(std::exchange(l.child, nullptr));
  const auto place = place_of(l);
  try {
    take(*child, rows_[place]);
    log_.add(*child, rows_[place], times_of(place, true));
    l.ended.next = std::exchange(free_, &l);
  } catch (...) {
    put(l, failed_child(loop(), std::current_exception()));
    fail_with(l);
  }
}

}  // namespace sheaf::detail
