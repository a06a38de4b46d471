# Debian has no libraries for mingw-w64, but the ones we use also come as headers or as source. Only their
# own folders of the host's headers are shown to the compiler, since the rest belongs to another system.

set(host_headers "${PROJECT_BINARY_DIR}/host-headers")
file(MAKE_DIRECTORY "${host_headers}")
foreach(folder boost spdlog fmt CLI)
  if(NOT EXISTS "/usr/include/${folder}")
    message(FATAL_ERROR "The headers of ${folder} are not in /usr/include: ./run test-windows installs them")
  endif()
  file(CREATE_LINK "/usr/include/${folder}" "${host_headers}/${folder}" SYMBOLIC)
endforeach()
add_library(weft_host_headers INTERFACE)
target_include_directories(weft_host_headers SYSTEM INTERFACE "${host_headers}")
target_link_libraries(weft_asio INTERFACE weft_host_headers)

add_library(spdlog::spdlog INTERFACE IMPORTED GLOBAL)
target_link_libraries(spdlog::spdlog INTERFACE weft_host_headers)
target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)

add_library(CLI11::CLI11 INTERFACE IMPORTED GLOBAL)
target_link_libraries(CLI11::CLI11 INTERFACE weft_host_headers)

if(WEFT_BUILD_TESTS)
  set(INSTALL_GTEST OFF)
  add_subdirectory(/usr/src/googletest "${PROJECT_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL SYSTEM)
endif()
