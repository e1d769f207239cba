#pragma once

#include <sheaf/open_connection.hpp>
