#pragma once

#include <sheaf/server.hpp>
