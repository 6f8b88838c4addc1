#pragma once

namespace hearth::ui {

/// Draws faces with cubic outlines (the CJK ones) with the ink that their outlines have, as the others are drawn. Qt
/// asks FreeType to darken their stems and then blends them, and them alone, by a gamma of 2.1: in a dark theme Han
/// have 1.26 times the ink they have in a light one and stand beside Latin as if they were bold. Call once in the GUI
/// thread before text is drawn; where Qt brings a FreeType of its own nothing changes.
void drawWithEvenInk();

} // namespace hearth::ui
