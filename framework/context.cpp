#include "context.hpp"

#include "detail/context_node.hpp"
#include "logging.hpp"
#include "reactor.hpp"

#include <map>
#include <mutex>

namespace weft {

namespace {

using detail::ContextNode;
using detail::HeldContext;

// The variables that another process may set, by name.
struct Declared {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const detail::ContextVariable>, std::less<>> by_name;
};

// Never destroyed: variables of static lifetime come and go around it.
Declared& declared() {
  static auto* const variables = new Declared;
  return *variables;
}

// Lets go of what a thread has set outside of every callback, when the thread ends.
class ThreadsOwn {
 public:
  ThreadsOwn() = default;
  ~ThreadsOwn() {
    const auto last =
        HeldContext::of(HeldContext::node_of(std::exchange(detail::current_context, 0)));
  }
  ThreadsOwn(const ThreadsOwn&) = delete;
  ThreadsOwn& operator=(const ThreadsOwn&) = delete;
  void touch() const noexcept {}
};

void make_current(ContextNode* node) noexcept {
  static thread_local const ThreadsOwn own;
  own.touch();
  const auto marks = detail::current_context & detail::context_marks;
  const auto before = HeldContext::of(HeldContext::node_of(detail::current_context));
  detail::current_context = reinterpret_cast<std::uintptr_t>(node) | marks;
}

// Set while this thread makes the text of a context: what is logged meanwhile shows none, or it
// would be made for that record too, without end.
thread_local bool making_text = false;

class MakingText {
 public:
  MakingText() noexcept { making_text = true; }
  ~MakingText() { making_text = false; }
  MakingText(const MakingText&) = delete;
  MakingText& operator=(const MakingText&) = delete;
};

// A record must not be lost for a value that cannot be shown.
std::string shown(const detail::ContextVariable& variable, const void* value) {
  try {
    return variable.text(value);
  } catch (...) {
    return "(its text threw: " + Failure::current().message() + ")";
  }
}

}  // namespace

namespace detail {

std::shared_ptr<const ContextVariable> declare_variable(ContextVariable variable) {
  if (variable.name.empty()) throw InvalidArgument("A ContextVar needs a name.");
  const bool transferable = variable.to_bytes != nullptr;
  if (transferable != (variable.from_bytes != nullptr)) {
    throw InvalidArgument("The transferable ContextVar \"" + variable.name +
                          "\" needs both to_bytes and from_bytes.");
  }
  auto made = std::make_shared<const ContextVariable>(std::move(variable));
  if (transferable) {
    auto& known = declared();
    const std::lock_guard lock(known.mutex);
    auto& place = known.by_name[made->name];
    if (!place.expired()) {
      throw InvalidArgument("There is a transferable ContextVar \"" + made->name +
                            "\" already; another process knows them by name alone.");
    }
    place = made;
  }
  return made;
}

const void* find_in_context(const ContextVariable& variable) noexcept {
  const auto* const node = HeldContext::node_of(current_context);
  return node == nullptr ? nullptr : node->find(variable);
}

void set_in_context(std::shared_ptr<const ContextVariable> variable,
                    std::shared_ptr<const void> value) {
  auto* const node = HeldContext::node_of(current_context);
  if (node != nullptr && node->held_once()) {
    // Destroyed last: the destructor of a value is user code.
    const auto old = node->replace(std::move(variable), std::move(value));
    return;
  }
  auto derived = ContextNode::derive(node);
  const auto old = derived->replace(std::move(variable), std::move(value));
  make_current(derived.release());
}

void refuse_unset(const ContextVariable& variable) {
  throw ContextVarUnset("The ContextVar \"" + variable.name +
                        "\" has no value in this context, and no default: set it first, or declare "
                        "it with a default.");
}

}  // namespace detail

ContextScope::ContextScope(std::shared_ptr<const detail::ContextVariable> variable,
                           std::shared_ptr<const void> value)
    : variable_(std::move(variable)), before_(HeldContext::current()) {
  detail::set_in_context(variable_, std::move(value));
  made_ = HeldContext::current();
}

ContextScope::~ContextScope() {
  auto* const now = HeldContext::node_of(detail::current_context);
  if (now == nullptr || !now->derives_from(*made_.node())) return;
  if (!now->differs_elsewhere(*variable_, before_.node())) {
    const auto made = std::move(made_);
    make_current(before_.take());
    return;
  }
  try {
    const auto* const earlier = before_.node();
    auto value = earlier == nullptr ? nullptr : earlier->share(*variable_);
    made_ = HeldContext();
    detail::set_in_context(variable_, std::move(value));
  } catch (...) {
    log_failure("context", "A ContextVar could not be given back its value; it keeps the new one.",
                Failure::current());
  }
}

SuppressFlow::SuppressFlow() noexcept
    : was_suppressed_((detail::current_context & detail::suppressed_mark) != 0) {
  detail::current_context |= detail::suppressed_mark;
}

SuppressFlow::~SuppressFlow() {
  if (!was_suppressed_) detail::current_context &= ~detail::suppressed_mark;
}

void Context::on_exit(Callback callback) const {
  if (!callback) throw InvalidArgument("Context::on_exit needs a callback; this one is empty.");
  if (auto* const node = held_.node()) return node->add_exit(std::move(callback));
  if (HeldContext::node_of(detail::current_context) != nullptr) {
    throw InvalidArgument(
        "The empty context never ends, so nothing can be called at its end: ask "
        "Context::current() for one that does.");
  }
  auto begun = ContextNode::derive(nullptr);
  begun->add_exit(std::move(callback));
  make_current(begun.release());
}

void Context::on_exit(Reactor& reactor, Callback callback) const {
  if (!callback) throw InvalidArgument("Context::on_exit needs a callback; this one is empty.");
  on_exit([&reactor, callback = std::move(callback)]() mutable {
    if (reactor.call_from_thread(std::move(callback))) return;
    log(LogLevel::warning, "context",
        "A context has ended after the reactor that was to call its on_exit callback; that is not "
        "called.");
  });
}

std::vector<std::pair<std::string, std::string>> Context::transferable() const {
  std::vector<std::pair<std::string, std::string>> values;
  if (held_.node() == nullptr) return values;
  for (const auto& entry : held_.node()->entries()) {
    if (entry.value && entry.variable->to_bytes)
      values.emplace_back(entry.variable->name, entry.variable->to_bytes(entry.value.get()));
  }
  return values;
}

Context Context::from_transferable(const std::vector<std::pair<std::string, std::string>>& values) {
  std::unique_ptr<ContextNode, ContextNode::Release> made;
  for (const auto& [name, bytes] : values) {
    auto variable = [&name = name] {
      auto& known = declared();
      const std::lock_guard lock(known.mutex);
      const auto found = known.by_name.find(name);
      return found == known.by_name.end() ? nullptr : found->second.lock();
    }();
    if (!variable) continue;
    auto value = variable->from_bytes(bytes);
    if (!made) made = ContextNode::derive(nullptr);
    const auto old = made->replace(std::move(variable), std::move(value));
  }
  return Context(HeldContext::of(made.release()));
}

std::string Context::text() const {
  std::string text;
  if (held_.node() == nullptr || making_text) return text;
  const MakingText making;
  for (const auto& entry : held_.node()->entries()) {
    if (!entry.value || !entry.variable->text) continue;
    if (!text.empty()) text += ' ';
    text += entry.variable->name + '=' + shown(*entry.variable, entry.value.get());
  }
  return text;
}

}  // namespace weft
