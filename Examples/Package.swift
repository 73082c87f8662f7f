// swift-tools-version: 6.2
import PackageDescription

// Programs to read and to run: `swift run --package-path Examples readme`. A package of its own, as a user's would be.
let package = Package(
  name: "Examples",
  dependencies: [.package(name: "Spindle", path: "..")],
  targets: [
    .executableTarget(name: "readme", dependencies: [.product(name: "Spindle", package: "Spindle")]),
    .executableTarget(name: "crash-isolation", dependencies: [.product(name: "Spindle", package: "Spindle")]),
  ],
  swiftLanguageModes: [.v6]
)
