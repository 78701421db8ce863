//! The scene in motion: one source, expanded against each version of the engine.

/// What one tick left behind.
pub struct Frame {
    /// Pairs of colliders that touch.
    pub contacts: u32,
    /// Of all boxes together, J.
    pub kinetic_energy: f32,
    /// By slot: `x`, `y`, `angle`, `vx`, `vy`, `spin`.
    pub boxes: Vec<[f32; 6]>,
}

/// Writes the simulation once for an engine's crate, so that the versions cannot be given different scenes.
macro_rules! world {
    ($module:ident, $engine:ident, $build:literal) => {
        #[doc = concat!("The scene in rapier2d ", $build, ".")]
        pub mod $module {
            use $engine::prelude::*;

            use super::Frame;
            use crate::scene::{self, Cuboid};

            /// The version of the engine.
            pub const BUILD: &str = $build;

            /// The scene at some tick.
            pub struct World {
                bodies: RigidBodySet,
                colliders: ColliderSet,
                /// The boxes, by slot.
                boxes: Vec<RigidBodyHandle>,
                parameters: IntegrationParameters,
                pipeline: PhysicsPipeline,
                islands: IslandManager,
                broad_phase: DefaultBroadPhase,
                narrow_phase: NarrowPhase,
                joints: ImpulseJointSet,
                multibodies: MultibodyJointSet,
                ccd: CCDSolver,
            }

            impl World {
                /// The scene before its first tick.
                #[expect(clippy::new_without_default, reason = "it is a scene, and none is its default")]
                pub fn new() -> World {
                    let (mut bodies, mut colliders) = (RigidBodySet::new(), ColliderSet::new());
                    let mut insert = |body: RigidBodyBuilder, part: Cuboid| {
                        let placed = body.translation(Vector::new(part.x, part.y)).rotation(part.angle);
                        let handle = bodies.insert(placed);
                        let shape = ColliderBuilder::cuboid(part.half[0], part.half[1])
                            .friction(scene::FRICTION)
                            .restitution(scene::RESTITUTION);
                        colliders.insert_with_parent(shape, handle, &mut bodies);
                        handle
                    };
                    for part in scene::TERRAIN {
                        insert(RigidBodyBuilder::fixed(), part);
                    }
                    let boxes = scene::boxes().map(|part| insert(RigidBodyBuilder::dynamic(), part)).collect();
                    World {
                        bodies,
                        colliders,
                        boxes,
                        parameters: IntegrationParameters { dt: scene::DT, ..Default::default() },
                        pipeline: PhysicsPipeline::new(),
                        islands: IslandManager::new(),
                        broad_phase: DefaultBroadPhase::new(),
                        narrow_phase: NarrowPhase::new(),
                        joints: ImpulseJointSet::new(),
                        multibodies: MultibodyJointSet::new(),
                        ccd: CCDSolver::new(),
                    }
                }

                /// Simulates a tick.
                pub fn step(&mut self) {
                    self.pipeline.step(
                        &Vector::new(0.0, scene::GRAVITY),
                        &self.parameters,
                        &mut self.islands,
                        &mut self.broad_phase,
                        &mut self.narrow_phase,
                        &mut self.bodies,
                        &mut self.colliders,
                        &mut self.joints,
                        &mut self.multibodies,
                        &mut self.ccd,
                        None,
                        &(),
                        &(),
                    );
                }

                /// What the last tick left behind.
                pub fn frame(&self) -> Frame {
                    let boxes = || self.boxes.iter().map(|handle| &self.bodies[*handle]);
                    let pairs = self.narrow_phase.contact_pairs();
                    Frame {
                        contacts: pairs.map(|pair| u32::from(pair.has_any_active_contact)).sum(),
                        kinetic_energy: boxes().map(RigidBody::kinetic_energy).sum(),
                        boxes: boxes().map(observed).collect(),
                    }
                }

                /// Gives a box these values, by slot and in the order of [`Frame::boxes`].
                pub fn place(&mut self, slot: usize, [x, y, angle, vx, vy, spin]: [f32; 6]) {
                    let body = &mut self.bodies[self.boxes[slot]];
                    body.set_position(Isometry::new(Vector::new(x, y), angle), true);
                    body.set_linvel(Vector::new(vx, vy), true);
                    body.set_angvel(spin, true);
                }
            }

            /// Runs the scene from its beginning, a frame a tick, for ever.
            pub fn frames() -> impl Iterator<Item = Frame> {
                let mut world = World::new();
                std::iter::repeat_with(move || {
                    world.step();
                    world.frame()
                })
            }

            fn observed(body: &RigidBody) -> [f32; 6] {
                let (at, moving) = (body.translation(), body.linvel());
                [at.x, at.y, body.rotation().angle(), moving.x, moving.y, body.angvel()]
            }
        }
    };
}

world!(reference, rapier_reference, "0.20.0");
world!(candidate, rapier_candidate, "0.23.0");
