#include <sheaf/process_options.hpp>

#include <unistd.h>

#include <stdexcept>
#include <string_view>

extern "C" char** environ;  // POSIX has it, and no header of its own for it

namespace sheaf {

namespace {

std::map<std::string, std::string> our_environment() {
  std::map<std::string, std::string> all;
  for (char** each = environ; each && *each; ++each) {
    const std::string_view line = *each;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    all.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return all;
}

void require_name(const std::string& name) {
  if (!name.empty() && name.find('=') == std::string::npos) return;
  throw std::invalid_argument("env: '" + name + "' is no name of a variable");
}

}  // namespace

process_options::end::end(int descriptor) : descriptor_(descriptor) {
  if (descriptor < 0) {
    throw std::invalid_argument("process_options: " + std::to_string(descriptor) +
                                " is no descriptor");
  }
}

process_options& process_options::program(std::string name) {
  program_ = std::move(name);
  return *this;
}

process_options& process_options::arg(std::string one) {
  args_.push_back(std::move(one));
  return *this;
}

process_options& process_options::args(const std::vector<std::string>& more) {
  args_.insert(args_.end(), more.begin(), more.end());
  return *this;
}

process_options& process_options::stdin_(stdio what) {
  ends_[0] = end(what);
  return *this;
}

process_options& process_options::stdout_(stdio what) {
  ends_[1] = end(what);
  return *this;
}

process_options& process_options::stderr_(stdio what) {
  ends_[2] = end(what);
  merges_stderr_ = false;
  return *this;
}

process_options& process_options::stdin_(int descriptor) {
  ends_[0] = end(descriptor);
  return *this;
}

process_options& process_options::stdout_(int descriptor) {
  ends_[1] = end(descriptor);
  return *this;
}

process_options& process_options::stderr_(int descriptor) {
  ends_[2] = end(descriptor);
  merges_stderr_ = false;
  return *this;
}

process_options& process_options::stderr_to_stdout() {
  merges_stderr_ = true;
  return *this;
}

process_options& process_options::env(const std::map<std::string, std::string>& all) {
  for (const auto& each : all) require_name(each.first);
  env_ = all;
  return *this;
}

process_options& process_options::env(const std::string& name, std::string value) {
  require_name(name);
  if (!env_) env_ = our_environment();
  (*env_)[name] = std::move(value);
  return *this;
}

process_options& process_options::cwd(std::string directory) {
  cwd_ = std::move(directory);
  return *this;
}

process_options& process_options::start_new_session(bool on) {
  new_session_ = on;
  return *this;
}

process_options& process_options::uid(std::uint32_t user) {
  uid_ = user;
  return *this;
}

process_options& process_options::gid(std::uint32_t group) {
  gid_ = group;
  return *this;
}

process_options& process_options::limit(std::size_t bytes) {
  if (bytes == 0) throw std::invalid_argument("limit: at least one byte");
  limit_ = bytes;
  return *this;
}

}  // namespace sheaf
