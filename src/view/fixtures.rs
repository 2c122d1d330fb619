//! Values behind the screens that the tests render.
