#include <sheaf/runtime/detail/function_name.hpp>

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using sheaf::runtime::detail::short_function_name;

namespace {

using table = std::vector<std::pair<std::string, std::string>>;

void check(const table& names) {
  for (const auto& [full, brief] : names) {
    CAPTURE(full);
    CHECK(short_function_name(full) == brief);
  }
}

}  // namespace

TEST_CASE("function name: as g++ prints it", "[runtime][function_name]") {
  check({
      {"int main()", "main()"},
      {"sheaf::coro<int> app::fetch(int, const std::string&)",
       "fetch(int, const std::string&)"},
      {"void {anonymous}::hidden::go()", "go()"},
      {"coro<int> app::server::serve(double) const", "serve(double)"},
      {"std::unique_ptr<int> app::server::take(int) &&", "take(int)"},
      {"static U app::server::twice(U) [with U = long int]", "twice(U)"},
      {"T app::box<T>::get() [with T = std::__cxx11::basic_string<char>]", "get()"},
      {"const char* app::server::ptr(int*)", "ptr(int*)"},
      {"void app::server::operator()(int) const", "server::operator()(int)"},
      {"bool app::a::operator<(const app::a&) const", "a::operator<(const app::a&)"},
      {"main()::<lambda(int)>", "main::lambda(int)"},
      {"app::server::run(int)::<lambda(auto:15)> [with auto:15 = int]",
       "run::lambda(auto:15)"},
      {"void noargs(void)", "noargs()"},
  });
}

TEST_CASE("function name: as g++ prints it inside a coroutine",
          "[runtime][function_name]") {
  check({
      {"void {anonymous}::m(m()::_ZN12_GLOBAL__N_11mEv.Frame*)", "m()"},
      {"void app::s::serve(app::s::serve(double) const::_ZNK3app1s5serveEd.Frame*)",
       "serve(double)"},
      {"void app::s::twice(app::s::twice<long int>(long int)::_ZN3appE_.Frame*)",
       "twice(long int)"},
      {"void {anonymous}::m()::<lambda(int)>::operator()({anonymous}::m()::<lambda(int)>"
       "::_ZZN12_GLOBAL__N_11mEvENKUliE_clEi.Frame*)",
       "m::lambda(int)"},
  });
}

TEST_CASE("function name: as clang prints it", "[runtime][function_name]") {
  check({
      {"coro<int> app::fetch(int, const std::string &)",
       "fetch(int, const std::string &)"},
      {"coro<> (anonymous namespace)::nap()", "nap()"},
      {"coro<int> app::server::serve(double) const", "serve(double)"},
      {"static U app::server::twice(U) [U = long]", "twice(U)"},
      {"const char *app::server::ptr(int *)", "ptr(int *)"},
      {"auto main()::(anonymous class)::operator()(int) const", "main::lambda(int)"},
      {"auto (anonymous namespace)::m(int)::(anonymous class)::operator()() const",
       "m::lambda()"},
      {"void pack(A...) [A = <int, double, const char *>]", "pack(A...)"},
  });
}

TEST_CASE("function name: arguments that would fill a table are left out",
          "[runtime][function_name]") {
  check(
      {{"coro<> load(std::map<std::string, std::vector<int>>, std::function<int(long)>)",
        "load(...)"}});
}

TEST_CASE("function name: what is none comes back", "[runtime][function_name]") {
  for (const std::string odd :
       {"", " ", "(", ")", "<", ">", "::", "a::", "]", " [x]", ".Frame*)", "()",
        "x(.Frame*)", "::_Z.Frame*)", "<lambda", "(anonymous class)::operator()()"}) {
    CAPTURE(odd);
    static_cast<void>(short_function_name(odd));
  }
  CHECK(short_function_name("") == "");
  CHECK(short_function_name("fetch") == "fetch");
}
