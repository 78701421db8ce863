//! The scene: every constant of the demo, and where its sixty boxes and its terrain are. It knows no physics engine.

/// Simulated ticks a second.
pub const TICK_RATE: u32 = 60;
/// Seconds a tick.
pub const DT: f32 = 1.0 / 60.0;
/// Ticks of a whole capture: fifty simulated seconds, long enough for the pile to come to rest.
pub const TICKS: u32 = 3000;
/// Downward acceleration, m/s².
pub const GRAVITY: f32 = -9.81;
/// How many boxes fall.
pub const BOXES: u32 = 60;
/// Friction coefficient of every surface.
pub const FRICTION: f32 = 0.3;
/// Bounciness of every surface: enough that boxes meet many times before they rest.
pub const RESTITUTION: f32 = 0.2;

/// Boxes in a row of the stack that is let fall.
const ROW: u32 = 5;
/// Distance between the centres of neighbours in a row, m.
const PITCH_X: f32 = 2.4;
/// Distance between rows, m.
const PITCH_Y: f32 = 5.25;
/// How far each row is shifted against the one below it, m.
const ROW_SHIFT: f32 = 0.14;
/// Height of the lowest row, m.
const DROP_HEIGHT: f32 = 12.0;
/// Half extents of the kinds of boxes, m, taken in turn.
const SIZES: [[f32; 2]; 4] = [[0.5, 0.5], [0.6, 0.3], [0.35, 0.35], [0.25, 0.55]];
/// How much further each box is turned than the one before it, rad.
const TURN: f32 = 0.28;

/// The terrain, which does not move: ground, two walls, two slopes, and a wedge in the middle.
pub const TERRAIN: [Cuboid; 6] = [
    Cuboid { x: 0.0, y: -2.0, angle: 0.0, half: [12.0, 2.0] },
    Cuboid { x: -12.5, y: 12.0, angle: 0.0, half: [0.5, 13.0] },
    Cuboid { x: 12.5, y: 12.0, angle: 0.0, half: [0.5, 13.0] },
    Cuboid { x: -8.0, y: 3.0, angle: -0.5, half: [5.0, 0.25] },
    Cuboid { x: 8.0, y: 3.0, angle: 0.5, half: [5.0, 0.25] },
    Cuboid { x: 0.3, y: 0.2, angle: 0.7, half: [1.0, 1.0] },
];

/// A rectangle and where it is.
#[derive(Clone, Copy, Debug)]
pub struct Cuboid {
    /// Centre, m to the right.
    pub x: f32,
    /// Centre, m up.
    pub y: f32,
    /// Counter-clockwise turn, rad.
    pub angle: f32,
    /// Half of its width and of its height, m.
    pub half: [f32; 2],
}

/// The boxes where they are let go, in the order of their slots.
#[expect(clippy::cast_precision_loss, reason = "there are sixty")]
pub fn boxes() -> impl Iterator<Item = Cuboid> {
    (0..BOXES).map(|index| {
        let (row, column) = ((index / ROW) as f32, (index % ROW) as f32);
        let middle = (ROW - 1) as f32 / 2.0;
        Cuboid {
            x: (column - middle) * PITCH_X + row * ROW_SHIFT,
            y: DROP_HEIGHT + row * PITCH_Y,
            angle: index as f32 * TURN,
            half: SIZES[index as usize % SIZES.len()],
        }
    })
}
