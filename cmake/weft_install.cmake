# find_package(weft) and pkg-config, from what is installed.
include(CMakePackageConfigHelpers)

set(WEFT_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/weft")
install(
  TARGETS weft_framework weft_transports weft_reactor weft_protocols weft_testing weft_weft
  EXPORT weft_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT weft_targets NAMESPACE weft:: DESTINATION "${WEFT_CMAKE_DIR}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/weft-config.cmake.in"
                              "${PROJECT_BINARY_DIR}/weft-config.cmake"
                              INSTALL_DESTINATION "${WEFT_CMAKE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/weft-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/weft-config.cmake"
              "${PROJECT_BINARY_DIR}/weft-config-version.cmake"
        DESTINATION "${WEFT_CMAKE_DIR}")

set(WEFT_PC_PRIVATE_LIBS "-pthread")
if("io_uring" IN_LIST WEFT_BACKENDS)
  string(PREPEND WEFT_PC_PRIVATE_LIBS "-luring ")
endif()
if(WEFT_HAS_DNS)
  string(PREPEND WEFT_PC_PRIVATE_LIBS "-lcares ")
endif()
set(WEFT_PC_REQUIRES "")
if(WEFT_HAS_TLS)
  set(WEFT_PC_REQUIRES " openssl")
endif()
# From where weft.pc lies back to the prefix, so that the whole may be moved.
file(RELATIVE_PATH WEFT_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file("${PROJECT_SOURCE_DIR}/weft.pc.in" "${PROJECT_BINARY_DIR}/weft.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/weft.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
