#pragma once

#include <string>
#include <string_view>

namespace sheaf::runtime::detail {

/// What a person calls the function that a compiler prints in full: "fetch(int)" for
/// "sheaf::coro<int> app::fetch(int) [with T = int]", "main()::lambda" for a lambda in
/// main(). Without the return type, the namespaces and what templates stand for; with
/// "(...)" for arguments that would make it longer than a table's column.
///
/// For std::source_location::function_name() of g++ and clang; what it does not understand
/// it gives back as it is.
std::string short_function_name(std::string_view full);

}  // namespace sheaf::runtime::detail
