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

            /// Runs the scene from its beginning, a frame a tick, for ever.
            pub fn frames() -> impl Iterator<Item = Frame> {
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
                let boxes: Vec<_> = scene::boxes().map(|part| insert(RigidBodyBuilder::dynamic(), part)).collect();

                let parameters = IntegrationParameters { dt: scene::DT, ..Default::default() };
                let (mut pipeline, mut islands) = (PhysicsPipeline::new(), IslandManager::new());
                let (mut broad_phase, mut narrow_phase) = (DefaultBroadPhase::new(), NarrowPhase::new());
                let (mut joints, mut multibodies) = (ImpulseJointSet::new(), MultibodyJointSet::new());
                let mut ccd = CCDSolver::new();
                std::iter::repeat_with(move || {
                    pipeline.step(
                        &Vector::new(0.0, scene::GRAVITY),
                        &parameters,
                        &mut islands,
                        &mut broad_phase,
                        &mut narrow_phase,
                        &mut bodies,
                        &mut colliders,
                        &mut joints,
                        &mut multibodies,
                        &mut ccd,
                        None,
                        &(),
                        &(),
                    );
                    let boxes = || boxes.iter().map(|handle| &bodies[*handle]);
                    let pairs = narrow_phase.contact_pairs();
                    Frame {
                        contacts: pairs.map(|pair| u32::from(pair.has_any_active_contact)).sum(),
                        kinetic_energy: boxes().map(RigidBody::kinetic_energy).sum(),
                        boxes: boxes().map(observed).collect(),
                    }
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
